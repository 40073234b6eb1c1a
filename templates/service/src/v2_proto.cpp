#include "v2_proto.hpp"

#include <cstring>

#include "config.hpp"
#include "service_config.hpp"
#include "wire.hpp"

namespace edgepack::program {

namespace {

using wire::Field;
using wire::Reader;
using wire::Writer;

constexpr std::size_t most_tensors = 64, most_axes = 16, most_name = 1024, most_texts = 1024;

[[noreturn]] void refuse(const std::string& words) { throw Refusal(Why::invalid, words); }

std::string text_of(const Field& field) {
  if (field.kind != Field::bytes) Reader::bad();
  if (field.text.size() > most_name) refuse("a name of more than 1024 characters");
  return std::string(field.text);
}

/// A list of numbers, packed or one by one: to proto3 both are the same.
template <class Take>
void each_varint(const Field& field, Take take) {
  if (field.kind == Field::varint) return take(field.value);
  if (field.kind != Field::bytes) Reader::bad();
  for (std::string_view rest = field.text; !rest.empty();) take(Reader::varint(rest));
}

struct Parameter {
  std::string key;
  std::uint64_t whole = 0;
  double number = 0;
};

/// An entry of a map of InferParameter.
Parameter parameter(const Field& field) {
  if (field.kind != Field::bytes) Reader::bad();
  Parameter found;
  Field part;
  for (Reader entry(field.text); entry.next(part);) {
    if (part.number == 1) found.key = text_of(part);
    if (part.number != 2 || part.kind != Field::bytes) continue;
    Field value;
    for (Reader choice(part.text); choice.next(value);) {
      if (value.kind == Field::varint) found.whole = value.value;
      found.number = static_cast<double>(static_cast<std::int64_t>(found.whole));
      if (value.number == 4 && value.kind == Field::fixed64) std::memcpy(&found.number, &value.value, sizeof found.number);
    }
  }
  if (found.key.compare(0, 13, "shared_memory") == 0) refuse("shared memory is not offered");
  return found;
}

/// InferTensorContents, of the lists that a model here takes.
void contents(std::string_view message, InputTensor& input) {
  Field field;
  std::size_t texts = 0;
  for (Reader reader(message); reader.next(field);) {
    if (field.number == 4) {
      each_varint(field, [&](std::uint64_t value) {
        if (value > 255) refuse("input '" + input.name + "': a UINT8 is not 0 to 255");
        input.made += static_cast<char>(static_cast<unsigned char>(value));
      });
    } else if (field.number == 6) {
      if (field.kind == Field::fixed32) {
        input.made.append(reinterpret_cast<const char*>(&field.value), sizeof(float));
      } else if (field.kind == Field::bytes && field.text.size() % sizeof(float) == 0) {
        input.made.append(field.text);
      } else {
        Reader::bad();
      }
    } else if (field.number == 8) {
      if (field.kind != Field::bytes) Reader::bad();
      if (++texts > most_texts) refuse("input '" + input.name + "': more than 1024 texts");
      const auto length = static_cast<std::uint32_t>(field.text.size());
      input.made.append(reinterpret_cast<const char*>(&length), sizeof length);
      input.made.append(field.text);
    } else {
      refuse("input '" + input.name + "': its contents are of a kind that no model here takes");
    }
  }
}

/// The field of InferTensorContents that a datatype's numbers are in; else bytes would be taken for floats.
std::uint32_t field_of(const std::string& datatype) {
  if (datatype == "UINT8") return 4;
  if (datatype == "FP32") return 6;
  return datatype == "BYTES" ? 8 : 0;
}

InputTensor input_tensor(std::string_view message, bool& has_contents) {
  InputTensor input;
  Field field;
  std::string_view found;
  has_contents = false;
  for (Reader reader(message); reader.next(field);) {
    switch (field.number) {
      case 1: input.name = text_of(field); break;
      case 2: input.datatype = text_of(field); break;
      case 3:
        each_varint(field, [&](std::uint64_t axis) {
          if (input.shape.size() == most_axes) refuse("a shape has more than 16 axes");
          // What is negative is huge here.
          if (axis > 0x7FFFFFFFU) refuse("an axis of a shape is not a whole number from 0 on");
          input.shape.push_back(static_cast<std::int64_t>(axis));
        });
        break;
      case 4: static_cast<void>(parameter(field)); break;
      case 5:
        if (field.kind != Field::bytes) Reader::bad();
        found = field.text;
        has_contents = !found.empty();
        break;
      default: break;
    }
  }
  if (!has_contents) return input;
  // Looked at here, as the datatype may come after.
  Field part;
  for (Reader reader(found); reader.next(part);) {
    if (part.number != field_of(input.datatype)) {
      refuse("input '" + input.name + "': its contents are not those of " + input.datatype.substr(0, 32));
    }
  }
  contents(found, input);
  return input;
}

WantedOutput wanted_output(std::string_view message) {
  WantedOutput wanted{"", true};
  Field field;
  for (Reader reader(message); reader.next(field);) {
    if (field.number == 1) wanted.name = text_of(field);
    if (field.number == 2) {
      const Parameter found = parameter(field);
      if (found.key == "classification" && found.whole > 0) refuse("classification is not offered: `post` has topk");
    }
  }
  return wanted;
}

void take_parameter(const Parameter& found, InferRequest& request) {
  if (found.key == "timeout") request.timeout_us = found.whole;
  if (found.key == "seconds") request.seconds = found.number;
  if (found.key == "utc") request.utc = found.number;
  if (found.key == "seconds" || found.key == "utc") request.has_moment = true;
}

std::string tensor_meta(const TensorMeta& meta) {
  return Writer().text(1, meta.name).text(2, meta.datatype).packed(3, meta.shape).take();
}

std::string duration(const Duration& time) { return Writer().number(1, time.count).number(2, time.ns).take(); }

/// Triton's numbers of the three datatypes that a model here has (model_config.proto).
std::uint64_t data_type(const std::string& datatype) {
  if (datatype == "UINT8") return 2;
  return datatype == "BYTES" ? 13 : 11;
}

std::string tensor_config(const Served& served, const TensorMeta& meta, std::uint32_t dims, bool optional) {
  const std::vector<std::int64_t> shape(meta.shape.begin() + (served.most() > 0 ? 1 : 0), meta.shape.end());
  return Writer().text(1, meta.name).number(2, data_type(meta.datatype)).packed(dims, shape).truth(8, optional).take();
}

}  // namespace

NamedModel parse_named(std::string_view message) {
  NamedModel named;
  Field field;
  for (Reader reader(message); reader.next(field);) {
    if (field.number == 1) named.name = text_of(field);
    if (field.number == 2) named.version = text_of(field);
  }
  return named;
}

NamedModel parse_infer_model(std::string_view message) { return parse_named(message); }  // the same two fields

InferRequest parse_infer_proto(std::string body) {
  InferRequest request;
  std::vector<std::pair<std::size_t, std::size_t>> raw;
  std::size_t with_contents = 0;
  Field field;
  for (Reader reader(body); reader.next(field);) {
    if (field.number >= 4 && field.number <= 7 && field.kind != Field::bytes) Reader::bad();
    switch (field.number) {
      case 3: request.id = text_of(field); break;
      case 4: take_parameter(parameter(field), request); break;
      case 5: {
        if (request.inputs.size() == most_tensors) refuse("more than 64 inputs");
        bool has_contents = false;
        request.inputs.push_back(input_tensor(field.text, has_contents));
        with_contents += has_contents ? 1 : 0;
        break;
      }
      case 6:
        if (request.outputs.size() == most_tensors) refuse("more than 64 outputs");
        request.outputs.push_back(wanted_output(field.text));
        break;
      case 7:
        if (raw.size() == most_tensors) refuse("more than 64 tensors' bytes");
        raw.emplace_back(static_cast<std::size_t>(field.text.data() - body.data()), field.text.size());
        break;
      default: break;  // what a later version adds
    }
  }
  if (!raw.empty()) {
    if (raw.size() != request.inputs.size() || with_contents > 0) {
      refuse("raw_input_contents has " + std::to_string(raw.size()) + " tensors, and there are " +
             std::to_string(request.inputs.size()) + " inputs, " + std::to_string(with_contents) + " with contents");
    }
    for (std::size_t i = 0; i < raw.size(); ++i) {
      request.inputs[i].in_body = true;
      request.inputs[i].at = raw[i].first;
      request.inputs[i].size = raw[i].second;
    }
  }
  request.binary = true;
  request.body = std::move(body);
  return request;
}

std::string infer_proto(const InferResponse& response) {
  Writer message;
  message.text(1, response.model).text(2, response.version).text(3, response.id);
  for (const OutputTensor& output : response.outputs) {
    message.item(5, Writer().text(1, output.name).text(2, output.datatype).packed(3, output.shape).message());
  }
  for (const OutputTensor& output : response.outputs) message.item(6, output.bytes);
  return message.take();
}

std::string stream_proto(const std::string& error, const std::string& id, const std::string& infer_response) {
  Writer message;
  // With an error, whose request it was is still said.
  if (!error.empty()) return message.text(1, error).item(2, Writer().text(3, id).message()).take();
  return message.item(2, infer_response).take();
}

std::string truth_proto(bool value) { return Writer().truth(1, value).take(); }

std::string server_proto(const std::vector<std::string>& extensions) {
  Writer message;
  message.text(1, config.name).text(2, config.version);
  for (const std::string& each : extensions) message.item(3, each);
  return message.take();
}

std::string metadata_proto(const Served& served) {
  Writer message;
  message.text(1, served.name()).item(2, config.version).text(3, "edgepack_" + config.runtime);
  for (const TensorMeta& meta : served.inputs()) message.item(4, tensor_meta(meta));
  for (const TensorMeta& meta : served.outputs()) message.item(5, tensor_meta(meta));
  return message.take();
}

std::string config_proto(const Served& served) {
  Writer message;
  message.text(1, served.name()).text(2, "edgepack_" + config.runtime).number(4, served.most());
  for (const TensorMeta& meta : served.inputs()) {
    message.item(5, tensor_config(served, meta, 4, served.optional_inputs()));
  }
  for (const TensorMeta& meta : served.outputs()) message.item(6, tensor_config(served, meta, 3, false));
  const auto count = static_cast<std::uint64_t>(service_config.instances);
  message.item(7, Writer().text(1, served.name()).number(2, count).number(4, 2).message());  // 2: KIND_CPU
  return Writer().item(1, message.message()).take();
}

std::string statistics_proto(const std::vector<const Served*>& served) {
  Writer message;
  for (const Served* each : served) {
    const Statistics found = each->statistics();
    Writer model, times;
    for (std::uint32_t i = 0; i < Statistics::parts; ++i) times.item(i + 1, duration(found.times[i]));
    model.text(1, each->name()).text(2, config.version).number(3, found.last).number(4, found.inferences);
    model.number(5, found.executions).item(6, times.message());
    for (const auto& [samples, batch] : found.batches) {
      Writer one;
      one.number(1, samples).item(2, duration(batch.input)).item(3, duration(batch.infer)).item(4, duration(batch.output));
      model.item(7, one.message());
    }
    message.item(1, model.message());
  }
  return message.take();
}

std::string index_proto(const std::vector<const Served*>& served) {
  Writer message;
  for (const Served* each : served) {
    message.item(1, Writer().text(1, each->name()).text(2, config.version).text(3, "READY").message());
  }
  return message.take();
}

}  // namespace edgepack::program
