// `verify` and `infer` as a client would do it: over the service's own HTTP. What golden vectors prove here,
// they prove of the service as it ships.
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "front.hpp"
#include "pipeline.hpp"
#include "service_config.hpp"
#include "wav.hpp"

namespace edgepack::program {

namespace {

class Client : public Model {
 public:
  explicit Client(const std::string& folder) : front_(folder, {0, -1}, {}) {}

  std::vector<Tensor> infer(const Tensor&) override { throw ModelError("the service is asked for pictures, not tensors"); }

  Asked ask_for(const std::string& json, const std::string& pixels) const {
    return ask(own_address(), front_.http(), "POST", "/v2/models/" + config.name + "-pipeline/infer",
               {{"Inference-Header-Content-Length", std::to_string(json.size())}}, json + pixels);
  }

 private:
  Front front_;
};

/// The record, back from its JSON.
Record record_of(const nlohmann::json& fields) {
  Record record;
  const auto all = [](const nlohmann::json& list, auto fits) {
    for (const auto& each : list) {
      if (!fits(each)) return false;
    }
    return true;
  };
  for (const auto& [field, value] : fields.items()) {
    if (value.is_boolean()) record.set(field, value.get<bool>());
    if (value.is_number_integer()) record.set(field, value.get<std::int64_t>());
    if (value.is_number_float()) record.set(field, value.get<double>());
    if (value.is_string()) record.set(field, value.get<std::string>());
    if (!value.is_array()) continue;
    if (!value.empty() && all(value, [](const auto& each) { return each.is_string(); })) {
      record.set(field, value.get<std::vector<std::string>>());
    } else if (!value.empty() && all(value, [](const auto& each) { return each.is_number_integer(); })) {
      record.set(field, value.get<std::vector<std::int64_t>>());
    } else if (all(value, [](const auto& each) { return each.is_number(); })) {
      record.set(field, value.get<std::vector<float>>());
    }
  }
  return record;
}

/// {C, H, W} → rows of interleaved pixels.
std::string pixels_of(const Tensor& image) {
  std::string pixels;
  pixels.reserve(image.data.size());
  const std::size_t plane = image.data.size() / static_cast<std::size_t>(image.shape.at(0));
  for (std::size_t at = 0; at < plane; ++at) {
    for (std::size_t c = at; c < image.data.size(); c += plane) {
      pixels += static_cast<char>(static_cast<unsigned char>(image.data[c]));
    }
  }
  return pixels;
}

std::string little(std::size_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFFU);
  return bytes;
}

/// {channels, samples} → one element of BYTES: its length, and a WAV file of floats, which keeps every bit.
std::string encoded_sound(const Tensor& sound) {
  const auto channels = static_cast<std::size_t>(sound.shape.at(0)), count = static_cast<std::size_t>(sound.shape.at(1));
  std::vector<float> mixed(sound.data.size());
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t c = 0; c < channels; ++c) mixed[i * channels + c] = sound.data[c * count + i];
  }
  const std::size_t rate = EDGEPACK_SAMPLE_RATE, size = mixed.size() * sizeof(float);
  std::string file = "RIFF" + little(36 + size, 4) + "WAVEfmt " + little(16, 4) + little(3, 2) + little(channels, 2) + little(rate, 4);
  file += little(rate * channels * sizeof(float), 4) + little(channels * sizeof(float), 2) + little(32, 2) + "data" + little(size, 4);
  file.append(reinterpret_cast<const char*>(mixed.data()), size);
  return little(file.size(), 4) + file;
}

bool is_sound(const Tensor& input) { return input.shape.size() == 2; }

std::string question(const Tensor& image, std::size_t size, const Moment& when) {
  nlohmann::json input = {{"name", is_sound(image) ? "encoded" : "image"}, {"datatype", is_sound(image) ? "BYTES" : "UINT8"}};
  if (is_sound(image)) {
    input["shape"] = {1};
  } else {
    input["shape"] = {image.shape.at(1), image.shape.at(2), image.shape.at(0)};
  }
  input["parameters"] = {{"binary_data_size", size}};
  nlohmann::json outputs = nlohmann::json::array({{{"name", record_output}}});
  for (const TensorInfo& output : config.outputs) outputs.push_back({{"name", raw_prefix + output.tensor}});
  const nlohmann::json parameters = {{"binary_data_output", true}, {"seconds", when.seconds}, {"utc", when.utc}};
  return nlohmann::json{{"inputs", {input}}, {"outputs", outputs}, {"parameters", parameters}}.dump();
}

}  // namespace

std::unique_ptr<Model> open_model(const std::string& folder) { return std::make_unique<Client>(folder); }

Answer answer(Model& model, Tensor image, const Moment& when) {
  const std::string pixels = is_sound(image) ? encoded_sound(image) : pixels_of(image);
  const Asked said = static_cast<Client&>(model).ask_for(question(image, pixels.size(), when), pixels);
  if (said.status != 200) {
    const nlohmann::json error = nlohmann::json::parse(said.body, nullptr, false);
    const bool words = error.is_object() && error.contains("error") && error["error"].is_string();
    throw std::runtime_error(words ? error["error"].get<std::string>() : "the service did not answer over HTTP");
  }
  const nlohmann::json head = nlohmann::json::parse(said.body.substr(0, said.head));
  Answer result;
  std::size_t at = said.head;
  for (const nlohmann::json& output : head.at("outputs")) {
    const std::string bytes = said.body.substr(at, output.at("parameters").at("binary_data_size").get<std::size_t>());
    at += bytes.size();
    if (output.at("name") == record_output) {
      result.record = record_of(nlohmann::json::parse(bytes.substr(sizeof(std::uint32_t))));
      continue;
    }
    Tensor tensor{output.at("shape").get<std::vector<int>>(), std::vector<float>(bytes.size() / sizeof(float))};
    std::memcpy(tensor.data.data(), bytes.data(), bytes.size());
    result.outputs.push_back(std::move(tensor));
  }
  return result;
}

}  // namespace edgepack::program
