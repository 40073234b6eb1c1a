#include "sinks/tensors_sink.hpp"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "commands.hpp"
#include "config.hpp"
#include "json.hpp"
#include "shapes.hpp"
#include "sinks/http_client.hpp"

namespace edgepack::program {

namespace {

constexpr std::chrono::milliseconds first_pause_for_tensors{250}, longest_pause_for_tensors{10000};
constexpr int cannot_be_processed = 422;  // this picture alone; every other refusal is about all of them

/// Where the model's input lies in the picture, as one word of the request's parameters, which hold no lists:
/// height, width, scale_y, scale_x, shift_y, shift_x; every bit of them.
std::string told(const blocks::Geometry& geometry) {
  char text[200];
  std::snprintf(text, sizeof text, "%d %d %.17g %.17g %.17g %.17g", geometry.known() ? geometry.height : 0,
                geometry.known() ? geometry.width : 0, geometry.scale_y, geometry.scale_x, geometry.shift_y, geometry.shift_x);
  return text;
}

class TensorsSink : public Sink {
 public:
  explicit TensorsSink(const TensorsSinkSays& says)
      : says_(says),
        target_("/v2/models/" + says.model + "/infer"),
        shown_("tensors to http://" + says.host + ":" + std::to_string(says.port) + target_),
        client_(says.host, says.port) {
    for (const std::string& name : says.tensors) {
      if (std::none_of(config.outputs.begin(), config.outputs.end(), [&](const TensorInfo& one) { return one.tensor == name; })) {
        throw std::runtime_error("sink.tensors: the model has no output " + name);
      }
    }
  }

  std::string put(const Answered& answer) override {
    if (Clock::now() < again_at_) return trouble();
    try {
      const Patience patience(std::chrono::milliseconds(static_cast<long>(says_.timeout_s * 1000)), never_);
      const std::string headers = fill(answer);
      return heard(client_.post(target_, headers, body_, patience), answer.name);
    } catch (const std::exception& error) {
      return failed(error.what(), {});
    }
  }

  bool wants_computed() const override { return true; }

  std::optional<Sent> state() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return state_;
  }

  std::string about() const override { return shown_; }

 private:
  using Clock = std::chrono::steady_clock;

  /// Fills `body_`: JSON, and behind it the bytes of each tensor. Returns the headers that go with it.
  std::string fill(const Answered& answer) {
    const Computed& computed = *answer.computed;
    Json json;
    json.open('{').key("id").string(answer.name).key("parameters").open('{');
    json.key("seconds").number(answer.record.when().seconds).key("utc").number(answer.record.when().utc);
    json.key("geometry").string(told(computed.geometry)).close('}').key("inputs").open('[');
    std::vector<const Tensor*> going;
    for (std::size_t i = 0; i < config.outputs.size(); ++i) {
      const TensorInfo& info = config.outputs[i];
      if (!says_.tensors.empty() && std::find(says_.tensors.begin(), says_.tensors.end(), info.tensor) == says_.tensors.end()) continue;
      const Tensor& tensor = computed.outputs.at(i);
      going.push_back(&tensor);
      std::vector<std::int64_t> shape{1};
      shape.insert(shape.end(), info.shape.begin(), info.shape.end());
      if (tensor.data.size() != elements(info.shape)) throw std::runtime_error(info.tensor + ": not of the size it must be");
      json.open('{').key("name").string(info.tensor).key("datatype").string("FP32").key("shape").array(shape);
      json.key("parameters").open('{').key("binary_data_size").integer(static_cast<std::int64_t>(tensor.data.size() * sizeof(float)));
      json.close('}').close('}');
    }
    body_ = json.close(']').close('}').text();
    const std::string head = std::to_string(body_.size());
    for (const Tensor* tensor : going) {
      body_.append(reinterpret_cast<const char*>(tensor->data.data()), tensor->data.size() * sizeof(float));
    }
    return "Content-Type: application/octet-stream\r\nInference-Header-Content-Length: " + head + "\r\n";
  }

  /// Empty where the server is done with it, for better or worse.
  std::string heard(const HttpAnswered& answered, const std::string& name) {
    if (!answered.well() && answered.status != cannot_be_processed) {
      // As it stands in the protocol's {"error": "…"}; a peer may say anything.
      const std::string why = answered.body.empty() ? "" : ": " + printable(answered.body);
      return failed("it answers " + answered.words + why, answered.after);
    }
    pause_ = std::chrono::milliseconds(0);
    again_at_ = {};
    const std::string refused = answered.well() ? "" : shown_ + ": " + name + " is refused: " + printable(answered.body);
    if (!refused.empty()) complain(refused);
    const std::lock_guard<std::mutex> lock(mutex_);
    ++(answered.well() ? state_.sent : state_.lost);
    state_.waiting = 0;
    state_.trouble.clear();
    return "";
  }

  std::string failed(const std::string& words, std::chrono::seconds after) {
    client_.leave();
    pause_ = std::clamp(pause_ * 2, first_pause_for_tensors, longest_pause_for_tensors);
    again_at_ = Clock::now() + std::clamp<std::chrono::milliseconds>(after, pause_, longest_pause_for_tensors);
    const std::lock_guard<std::mutex> lock(mutex_);
    state_.waiting = 1;
    return state_.trouble = shown_ + ": " + words;
  }

  std::string trouble() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return state_.trouble;
  }

  const TensorsSinkSays says_;
  const std::string target_, shown_;
  HttpClient client_;
  const std::atomic<bool> never_{false};
  std::string body_;
  Clock::time_point again_at_{};
  std::chrono::milliseconds pause_{0};
  mutable std::mutex mutex_;
  Sent state_;
};

}  // namespace

std::unique_ptr<Sink> tensors_sink(const std::string&, const TensorsSinkSays& says) {
  return std::make_unique<TensorsSink>(says);
}

}  // namespace edgepack::program
