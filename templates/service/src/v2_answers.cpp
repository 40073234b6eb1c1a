#include <cstring>

#include "config.hpp"
#include "json.hpp"
#include "service_config.hpp"
#include "v2_json.hpp"

namespace edgepack::program {

namespace {

void tensor_metas(Json& json, const char* key, const std::vector<TensorMeta>& metas) {
  json.key(key).open('[');
  for (const TensorMeta& meta : metas) {
    json.open('{').key("name").string(meta.name).key("datatype").string(meta.datatype);
    json.key("shape").array(meta.shape).close('}');
  }
  json.close(']');
}

/// The same as Triton's configuration of a model says it: without the batch axis.
void tensor_config(Json& json, const Served& served, const char* key, const std::vector<TensorMeta>& metas, bool optional) {
  json.key(key).open('[');
  for (const TensorMeta& meta : metas) {
    const bool batch = served.most() > 0;
    json.open('{').key("name").string(meta.name);
    json.key("data_type").string(meta.datatype == "BYTES" ? "TYPE_STRING" : "TYPE_" + meta.datatype);
    json.key("dims").array(std::vector<std::int64_t>(meta.shape.begin() + (batch ? 1 : 0), meta.shape.end()));
    if (optional) json.key("optional").boolean(true);
    json.close('}');
  }
  json.close(']');
}

void duration(Json& json, const char* key, const Duration& time) {
  json.key(key).open('{').key("count").integer(static_cast<std::int64_t>(time.count));
  json.key("ns").integer(static_cast<std::int64_t>(time.ns)).close('}');
}

void data(Json& json, const OutputTensor& output) {
  json.key("data");
  if (output.datatype == "BYTES") {
    std::vector<std::string> texts;
    for (std::size_t at = 0; at + sizeof(std::uint32_t) <= output.bytes.size();) {
      std::uint32_t length = 0;
      std::memcpy(&length, output.bytes.data() + at, sizeof length);
      texts.push_back(output.bytes.substr(at + sizeof length, length));
      at += sizeof length + length;
    }
    json.array(texts);
  } else {
    std::vector<float> numbers(output.bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), output.bytes.data(), numbers.size() * sizeof(float));
    json.array(numbers);
  }
}

}  // namespace

InferBody write_infer(const InferResponse& response) {
  Json json;
  json.open('{');
  if (!response.id.empty()) json.key("id").string(response.id);
  json.key("model_name").string(response.model).key("model_version").string(response.version);
  json.key("outputs").open('[');
  std::string after;
  bool binary = false;
  for (const OutputTensor& output : response.outputs) {
    json.open('{').key("name").string(output.name).key("datatype").string(output.datatype);
    json.key("shape").array(output.shape);
    if (output.binary) {
      binary = true;
      json.key("parameters").open('{').key("binary_data_size").integer(static_cast<std::int64_t>(output.bytes.size()));
      json.close('}');
      after += output.bytes;
    } else {
      data(json, output);
    }
    json.close('}');
  }
  const std::string text = json.close(']').close('}').text();
  return {text + after, binary ? text.size() : 0};
}

std::string error_json(const std::string& words) { return Json().open('{').key("error").string(words).close('}').text(); }

std::string metadata_json(const Served& served) {
  Json json;
  json.open('{').key("name").string(served.name()).key("versions").array(std::vector<std::string>{config.version});
  json.key("platform").string("edgepack_" + config.runtime);
  tensor_metas(json, "inputs", served.inputs());
  tensor_metas(json, "outputs", served.outputs());
  return json.close('}').text();
}

std::string config_json(const Served& served) {
  Json json;
  json.open('{').key("name").string(served.name()).key("platform").string("edgepack_" + config.runtime);
  json.key("max_batch_size").integer(static_cast<std::int64_t>(served.most()));
  tensor_config(json, served, "input", served.inputs(), served.optional_inputs());
  tensor_config(json, served, "output", served.outputs(), false);
  json.key("instance_group").open('[').open('{').key("name").string(served.name()).key("kind").string("KIND_CPU");
  json.key("count").integer(service_config.instances).close('}').close(']');
  return json.close('}').text();
}

std::string statistics_json(const std::vector<const Served*>& served) {
  Json json;
  json.open('{').key("model_stats").open('[');
  for (const Served* each : served) {
    const Statistics found = each->statistics();
    json.open('{').key("name").string(each->name()).key("version").string(config.version);
    json.key("last_inference").integer(static_cast<std::int64_t>(found.last));
    json.key("inference_count").integer(static_cast<std::int64_t>(found.inferences));
    json.key("execution_count").integer(static_cast<std::int64_t>(found.executions));
    json.key("inference_stats").open('{');
    for (std::size_t i = 0; i < Statistics::parts; ++i) duration(json, Statistics::names[i], found.times[i]);
    json.close('}').key("batch_stats").open('[');
    for (const auto& [samples, batch] : found.batches) {
      json.open('{').key("batch_size").integer(static_cast<std::int64_t>(samples));
      duration(json, "compute_input", batch.input);
      duration(json, "compute_infer", batch.infer);
      duration(json, "compute_output", batch.output);
      json.close('}');
    }
    json.close(']').close('}');
  }
  return json.close(']').close('}').text();
}

std::string index_json(const std::vector<const Served*>& served) {
  Json json;
  json.open('[');
  for (const Served* each : served) {
    json.open('{').key("name").string(each->name()).key("version").string(config.version);
    json.key("state").string("READY").key("reason").string("").close('}');
  }
  return json.close(']').text();
}

}  // namespace edgepack::program
