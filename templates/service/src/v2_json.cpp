#include "v2_json.hpp"

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "config.hpp"
#include "json.hpp"
#include "service_config.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t most_depth = 32, most_tensors = 64, most_axes = 16, most_texts = 1024, most_name = 1024;

/// What an object or a list of the request is.
enum class Place { request, parameters, inputs, input, input_parameters, shape, data, outputs, output, output_parameters, other };

struct Scalar {
  enum Kind { null, truth, number, text } kind = null;
  double value = 0;         // of a truth too
  std::uint64_t whole = 0;  // of a number
  bool is_whole = false;    // not negative, and without a fraction
  const std::string* words = nullptr;
};

/// Takes a request apart while it is read: of a tensor with a million numbers there is never more than the
/// numbers themselves. The parser calls it, an event at a time; `false` ends it.
class Reader {
 public:
  InferRequest request;
  std::string why;  // it ended

  bool null() { return scalar({}); }
  bool boolean(bool truth) {
    Scalar one;
    one.kind = Scalar::truth;
    one.value = truth ? 1 : 0;
    return scalar(one);
  }
  bool number_integer(std::int64_t n) { return number(static_cast<double>(n), 0, false); }  // below 0
  bool number_unsigned(std::uint64_t n) { return number(static_cast<double>(n), n, true); }
  bool number_float(double n, const std::string&) {
    const bool whole = n >= 0 && n < 9007199254740992.0 && n == std::floor(n);
    return number(n, whole ? static_cast<std::uint64_t>(n) : 0, whole);
  }
  bool string(std::string& words) {
    Scalar one;
    one.kind = Scalar::text;
    one.words = &words;
    return scalar(one);
  }
  bool binary(nlohmann::json::binary_t&) { return false; }

  bool key(std::string& name) {
    if (name.size() > most_name) return fail("a name of more than 1024 characters");
    key_ = name;
    return true;
  }

  bool start_object(std::size_t) {
    if (stack_.empty()) return enter(Place::request);
    switch (stack_.back()) {
      case Place::request:
        if (key_ == "parameters") return enter(Place::parameters);
        return key_ == "id" || key_ == "inputs" || key_ == "outputs" ? odd() : enter(Place::other);
      case Place::inputs:
        if (request.inputs.size() == most_tensors) return fail("more than 64 inputs");
        request.inputs.emplace_back();
        marks_.emplace_back();
        return enter(Place::input);
      case Place::input:
        if (key_ == "parameters") return enter(Place::input_parameters);
        return key_ == "name" || key_ == "datatype" || key_ == "shape" || key_ == "data" ? odd() : enter(Place::other);
      case Place::outputs:
        if (request.outputs.size() == most_tensors) return fail("more than 64 outputs");
        request.outputs.push_back({"", false});
        chosen_.push_back(false);
        return enter(Place::output);
      case Place::output:
        if (key_ == "parameters") return enter(Place::output_parameters);
        return key_ == "name" ? odd() : enter(Place::other);
      case Place::shape:
      case Place::data: return odd();
      default: return enter(Place::other);
    }
  }

  bool start_array(std::size_t) {
    if (stack_.empty()) return fail("it is not an object");
    switch (stack_.back()) {
      case Place::request:
        if (key_ == "inputs") return enter(Place::inputs);
        if (key_ == "outputs") return enter(Place::outputs);
        return key_ == "id" || key_ == "parameters" ? odd() : enter(Place::other);
      case Place::input:
        if (key_ == "shape") return enter(Place::shape);
        if (key_ == "data") return enter(Place::data);
        return key_ == "name" || key_ == "datatype" || key_ == "parameters" ? odd() : enter(Place::other);
      case Place::data: return enter(Place::data);  // rows in rows say what the shape says too
      case Place::inputs:
      case Place::outputs:
      case Place::shape: return odd();
      case Place::output: return key_ == "name" || key_ == "parameters" ? odd() : enter(Place::other);
      default: return enter(Place::other);
    }
  }

  bool end_object() { return leave(); }
  bool end_array() { return leave(); }

  bool parse_error(std::size_t place, const std::string&, const nlohmann::json::exception&) {
    if (why.empty()) why = "it is not JSON, at byte " + std::to_string(place);
    return false;
  }

  /// Once all was read: where each tensor's bytes are. Throws Refusal.
  void settle(std::size_t head) {
    std::size_t at = head;
    for (std::size_t i = 0; i < request.inputs.size(); ++i) {
      InputTensor& input = request.inputs[i];
      const Mark& mark = marks_[i];
      if (!mark.after) {
        convert(input, mark);
        continue;
      }
      if (mark.kind != Mark::nothing) refuse(input, "has both data and binary_data_size");
      if (mark.size > request.body.size() - at) refuse(input, "binary_data_size is more than the bytes that came");
      input.in_body = true;
      input.at = at;
      input.size = static_cast<std::size_t>(mark.size);
      at += input.size;
    }
    if (at != request.body.size()) {
      throw Refusal(Why::invalid, std::to_string(request.body.size() - at) + " bytes after the JSON are no tensor's");
    }
    for (std::size_t i = 0; i < request.outputs.size(); ++i) {
      if (!chosen_[i]) request.outputs[i].binary = request.binary;
    }
  }

 private:
  /// What was found of one input.
  struct Mark {
    enum Kind { nothing, numbers, texts } kind = nothing;
    bool fractions = false, after = false;
    std::size_t texts_count = 0;
    std::uint64_t size = 0;
  };

  bool fail(const std::string& words) {
    why = words;
    return false;
  }
  bool odd() { return fail("'" + key_.substr(0, 64) + "' is of another type than it must be"); }
  bool enter(Place place) {
    if (stack_.size() == most_depth) return fail("it is nested more than 32 times");
    stack_.push_back(place);
    return true;
  }
  bool leave() {
    stack_.pop_back();
    return true;
  }

  bool number(double value, std::uint64_t whole, bool is_whole) {
    Scalar one;
    one.kind = Scalar::number;
    one.value = value;
    one.whole = whole;
    one.is_whole = is_whole;
    return scalar(one);
  }

  bool scalar(const Scalar& one) {
    if (stack_.empty()) return fail("it is not an object");
    switch (stack_.back()) {
      case Place::request:
        if (key_ == "id") return take_text(one, request.id);
        return key_ == "inputs" || key_ == "outputs" || key_ == "parameters" ? one.kind == Scalar::null || odd() : true;
      case Place::parameters: return parameter(one);
      case Place::input:
        if (key_ == "name") return take_text(one, request.inputs.back().name);
        if (key_ == "datatype") return take_text(one, request.inputs.back().datatype);
        return key_ == "shape" || key_ == "data" || key_ == "parameters" ? odd() : true;
      case Place::input_parameters: return input_parameter(one);
      case Place::shape: {
        std::vector<std::int64_t>& shape = request.inputs.back().shape;
        if (one.kind != Scalar::number || !one.is_whole || one.whole > std::numeric_limits<std::int32_t>::max()) {
          return fail("an axis of a shape is not a whole number from 0 on");
        }
        if (shape.size() == most_axes) return fail("a shape has more than 16 axes");
        shape.push_back(static_cast<std::int64_t>(one.whole));
        return true;
      }
      case Place::data: return element(one);
      case Place::output: return key_ == "name" ? take_text(one, request.outputs.back().name) : true;
      case Place::output_parameters: return output_parameter(one);
      case Place::inputs:
      case Place::outputs: return odd();
      default: return true;
    }
  }

  bool take_text(const Scalar& one, std::string& to) {
    if (one.kind != Scalar::text) return odd();
    if (one.words->size() > most_name) return fail("'" + key_ + "' has more than 1024 characters");
    to = *one.words;
    return true;
  }

  bool parameter(const Scalar& one) {
    if (key_ == "binary_data_output") {
      request.binary = one.value != 0;
    } else if (key_ == "timeout") {
      request.timeout_us = one.whole;
    } else if ((key_ == "seconds" || key_ == "utc") && one.kind == Scalar::number) {
      (key_ == "seconds" ? request.seconds : request.utc) = one.value;
      request.has_moment = true;
    }
    return true;
  }

  bool input_parameter(const Scalar& one) {
    if (key_.compare(0, 13, "shared_memory") == 0) return fail("shared memory is not offered");
    if (key_ != "binary_data_size") return true;
    if (one.kind != Scalar::number || !one.is_whole) return odd();
    marks_.back().after = true;
    marks_.back().size = one.whole;
    return true;
  }

  bool output_parameter(const Scalar& one) {
    if (key_.compare(0, 13, "shared_memory") == 0) return fail("shared memory is not offered");
    if (key_ == "classification" && one.whole > 0) return fail("classification is not offered: `post` has topk");
    if (key_ == "binary_data") {
      chosen_.back() = true;
      request.outputs.back().binary = one.value != 0;
    }
    return true;
  }

  /// One number or text of a tensor. Numbers are kept as floats, whatever the datatype: a model takes no others,
  /// and it stands after them in the JSON of some clients.
  bool element(const Scalar& one) {
    InputTensor& input = request.inputs.back();
    Mark& mark = marks_.back();
    if (one.kind == Scalar::null) return fail("data has a null");
    const auto kind = one.kind == Scalar::text ? Mark::texts : Mark::numbers;
    if (mark.kind != Mark::nothing && mark.kind != kind) return fail("data has both numbers and texts");
    mark.kind = kind;
    if (kind == Mark::texts) {
      if (++mark.texts_count > most_texts) return fail("data has more than 1024 texts");
      const auto length = static_cast<std::uint32_t>(one.words->size());
      input.made.append(reinterpret_cast<const char*>(&length), sizeof length);
      input.made += *one.words;
      return true;
    }
    if (std::abs(one.value) > static_cast<double>(FLT_MAX)) return fail("data has a number beyond FP32");
    if (one.value != std::floor(one.value)) mark.fractions = true;
    const auto number = static_cast<float>(one.value);
    input.made.append(reinterpret_cast<const char*>(&number), sizeof number);
    return true;
  }

  [[noreturn]] static void refuse(const InputTensor& input, const std::string& words) {
    throw Refusal(Why::invalid, "input '" + input.name + "': " + words);
  }

  /// From floats to what the datatype says.
  static void convert(InputTensor& input, const Mark& mark) {
    if (mark.kind == Mark::nothing && elements_of(input, service_config.request) > 0) refuse(input, "has no data");
    const bool texts = input.datatype == "BYTES";
    if (mark.kind != Mark::nothing && texts == (mark.kind == Mark::numbers)) refuse(input, "data is not " + input.datatype);
    if (input.datatype != "UINT8") return;
    if (mark.fractions) refuse(input, "a UINT8 has a fraction");
    const std::size_t count = input.made.size() / sizeof(float);
    for (std::size_t i = 0; i < count; ++i) {
      float number = 0;
      std::memcpy(&number, input.made.data() + i * sizeof number, sizeof number);
      if (number < 0 || number > 255) refuse(input, "a UINT8 is not 0 to 255");
      input.made[i] = static_cast<char>(static_cast<unsigned char>(number));
    }
    input.made.resize(count);
  }

  std::vector<Place> stack_;
  std::string key_;
  std::vector<Mark> marks_;    // one an input
  std::vector<bool> chosen_;   // outputs that say themselves whether they are binary
};

}  // namespace

InferRequest parse_infer(std::string body, std::size_t head) {
  Reader reader;
  const bool well = nlohmann::json::sax_parse(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(head), &reader);
  if (!well) throw Refusal(Why::invalid, "the request cannot be read: " + reader.why);
  reader.request.body = std::move(body);
  reader.settle(head);
  return std::move(reader.request);
}

}  // namespace edgepack::program
