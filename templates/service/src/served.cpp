#include "served.hpp"

#include <algorithm>
#include <cstring>

#include "image.hpp"
#include "pipeline.hpp"
#include "service_config.hpp"

namespace edgepack::program {

const char* const record_output = "record";
const char* const raw_prefix = "output.";

namespace {

using Clock = std::chrono::steady_clock;

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors go over the wire as they lie in memory");

TensorMeta described(const std::string& name, const std::vector<int>& shape, bool batch) {
  TensorMeta meta{name, "FP32", {}};
  if (batch) meta.shape.push_back(-1);
  meta.shape.insert(meta.shape.end(), shape.begin(), shape.end());
  return meta;
}

std::string words(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t axis : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(axis);
  return text + "]";
}

std::size_t elements(const std::vector<int>& shape) {
  std::size_t count = 1;
  for (const int axis : shape) count *= static_cast<std::size_t>(axis);
  return count;
}

[[noreturn]] void unfit(const InputTensor& input, const std::string& why) {
  throw Refusal(Why::invalid, "input '" + input.name + "': " + why);
}

OutputTensor output_of(const std::string& name, std::vector<std::int64_t> shape, bool binary) {
  OutputTensor output;
  output.name = name;
  output.datatype = "FP32";
  output.shape = std::move(shape);
  output.binary = binary;
  return output;
}

void append(std::string& bytes, const std::vector<float>& data) {
  bytes.append(reinterpret_cast<const char*>(data.data()), data.size() * sizeof(float));
}

InferResponse response_to(const std::string& model, const InferRequest& request) {
  return {model, config.version, request.id, {}};
}

/// Tensors in, tensors out.
class ServedModel : public Served {
 public:
  ServedModel() {
    name_ = config.name;
    most_ = static_cast<std::size_t>(service_config.most);
    inputs_.push_back(described(config.input.tensor, config.input.shape, true));
    for (const TensorInfo& output : config.outputs) outputs_.push_back(described(output.tensor, output.shape, true));
  }

  std::size_t samples(const InferRequest& request) const override {
    if (request.inputs.size() != 1) {
      throw Refusal(Why::invalid, "the model '" + name_ + "' takes one input, '" + inputs_[0].name + "'; the request has " +
                                      std::to_string(request.inputs.size()));
    }
    const InputTensor& input = request.inputs[0];
    if (input.name != inputs_[0].name) unfit(input, "the model has no such input, but '" + inputs_[0].name + "'");
    if (input.datatype != "FP32") unfit(input, "its datatype is " + input.datatype + ", the model takes FP32");
    const std::vector<std::int64_t>& expected = inputs_[0].shape;
    if (input.shape.size() != expected.size() ||
        !std::equal(expected.begin() + 1, expected.end(), input.shape.begin() + 1)) {
      unfit(input, "its shape is " + words(input.shape) + ", the model takes " + words(expected));
    }
    const std::int64_t count = input.shape[0];
    if (count < 1 || static_cast<std::size_t>(count) > most_) {
      unfit(input, std::to_string(count) + " samples; one request has 1 to " + std::to_string(most_) +
                       " (service.batching.most)");
    }
    const std::size_t size = static_cast<std::size_t>(count) * elements(config.input.shape) * sizeof(float);
    if (request.bytes(input).size() != size) {
      unfit(input, std::to_string(request.bytes(input).size()) + " bytes of data, its shape has " + std::to_string(size));
    }
    static_cast<void>(wanted(request, outputs_.size()));
    return static_cast<std::size_t>(count);
  }

  std::vector<InferResponse> infer(Model& model, const std::vector<const InferRequest*>& requests,
                                   Spent& spent) override {
    std::vector<InferResponse> responses;
    for (const InferRequest* request : requests) {
      const auto began = Clock::now();
      const std::string_view bytes = request->bytes(request->inputs[0]);
      const auto count = static_cast<std::size_t>(request->inputs[0].shape[0]);
      InferResponse response = response_to(name_, *request);
      const auto chosen = wanted(*request, outputs_.size());
      for (const auto& [index, binary] : chosen) {
        std::vector<std::int64_t> shape = outputs_[index].shape;
        shape[0] = static_cast<std::int64_t>(count);
        response.outputs.push_back(output_of(outputs_[index].name, std::move(shape), binary));
      }
      Tensor input{config.input.shape, std::vector<float>(bytes.size() / sizeof(float) / count)};
      spent.input += Clock::now() - began;
      for (std::size_t n = 0; n < count; ++n) {
        const auto start = Clock::now();
        const std::size_t size = input.data.size() * sizeof(float);
        std::memcpy(input.data.data(), bytes.data() + n * size, size);
        const auto placed = Clock::now();
        const std::vector<Tensor> computed = model.infer(input);
        const auto done = Clock::now();
        for (std::size_t i = 0; i < chosen.size(); ++i) append(response.outputs[i].bytes, computed.at(chosen[i].first).data);
        spent.input += placed - start;
        spent.infer += done - placed;
        spent.output += Clock::now() - done;
      }
      responses.push_back(std::move(response));
    }
    return responses;
  }
};

/// The project's own code is promised one thread, and `track` remembers the picture before.
std::mutex& one_at_a_time() {
  static std::mutex mutex;
  return mutex;
}

/// The user's own code may throw anything at all, and that must cost one request only.
template <class Work>
auto stage(const char* name, Why why, Work work) {
  try {
    return work();
  } catch (const std::exception& error) {
    throw Refusal(why, std::string(name) + ": " + error.what());
  } catch (...) {
    throw Refusal(why, std::string(name) + ": threw something that is not a std::exception");
  }
}

/// A picture in, the record out: `pre`, the model, `post`.
class ServedPipeline : public Served {
 public:
  ServedPipeline() {
    name_ = config.name + "-pipeline";
    optional_inputs_ = true;
    inputs_ = {{"image", "UINT8", {-1, -1, -1}}, {"encoded", "BYTES", {1}}};
    outputs_ = {{record_output, "BYTES", {1}}};
    for (const TensorInfo& output : config.outputs) {
      outputs_.push_back(described(raw_prefix + output.tensor, output.shape, false));
    }
  }

  std::size_t samples(const InferRequest& request) const override {
    if (request.inputs.size() != 1) {
      throw Refusal(Why::invalid, "the model '" + name_ + "' takes one input, 'image' or 'encoded'; the request has " +
                                      std::to_string(request.inputs.size()));
    }
    const InputTensor& input = request.inputs[0];
    const std::string_view bytes = request.bytes(input);
    if (input.name == "image") {
      const bool fits = input.shape.size() == 2 || (input.shape.size() == 3 && (input.shape[2] == 1 || input.shape[2] == 3));
      const auto side = [](std::int64_t axis) { return axis >= 1 && axis <= 65535; };
      if (input.datatype != "UINT8" || !fits || !side(input.shape[0]) || !side(input.shape[1])) {
        unfit(input, input.datatype + " of the shape " + words(input.shape) +
                         "; a picture is UINT8 of [height, width, 1 or 3], a side 1 to 65535");
      }
      const std::size_t count = elements_of(input, service_config.request);
      if (bytes.size() != count) {
        unfit(input, std::to_string(bytes.size()) + " bytes of data, its shape has " + std::to_string(count));
      }
    } else if (input.name == "encoded") {
      if (input.datatype != "BYTES" || input.shape != std::vector<std::int64_t>{1}) {
        unfit(input, "a file's bytes are BYTES of the shape [1]");
      }
      std::uint32_t length = 0;
      if (bytes.size() >= sizeof length) std::memcpy(&length, bytes.data(), sizeof length);
      if (bytes.size() < sizeof length || bytes.size() - sizeof length != length) {
        unfit(input, "its bytes are not one element after its length in four bytes");
      }
    } else {
      unfit(input, "the model has no such input, but 'image' and 'encoded'");
    }
    static_cast<void>(wanted(request, 1));
    return 1;
  }

  std::vector<InferResponse> infer(Model& model, const std::vector<const InferRequest*>& requests,
                                   Spent& spent) override {
    std::vector<InferResponse> responses;
    for (const InferRequest* request : requests) responses.push_back(one(model, *request, spent));
    return responses;
  }

 private:
  static Tensor picture(const InferRequest& request) {
    const InputTensor& input = request.inputs[0];
    const std::string_view bytes = request.bytes(input);
    if (input.name == "encoded") {
      try {
        const auto* from = reinterpret_cast<const unsigned char*>(bytes.data()) + sizeof(std::uint32_t);
        return decode_image({from, from + bytes.size() - sizeof(std::uint32_t)}, "encoded");
      } catch (const std::exception& error) {
        throw Refusal(Why::invalid, error.what());
      }
    }
    return image_tensor(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<std::size_t>(input.shape[0]),
                        static_cast<std::size_t>(input.shape[1]),
                        input.shape.size() == 3 ? static_cast<std::size_t>(input.shape[2]) : 1);
  }

  InferResponse one(Model& model, const InferRequest& request, Spent& spent) const {
    const auto began = Clock::now();
    Tensor image = picture(request);
    blocks::Geometry geometry(image);
    const Tensor input = stage("pre", Why::invalid, [&] {
      const std::lock_guard<std::mutex> lock(one_at_a_time());
      return prepare(std::move(image), geometry);
    });
    const auto prepared = Clock::now();
    std::vector<Tensor> computed = stage("model", Why::failed, [&] { return model.infer(input); });
    const auto inferred = Clock::now();
    const Moment when = request.has_moment ? Moment{request.seconds, request.utc} : now();
    const Record record = stage("post", Why::failed, [&] {
      const std::lock_guard<std::mutex> lock(one_at_a_time());
      return interpret(computed, geometry, when);
    });
    InferResponse response = response_to(name_, request);
    for (const auto& [index, binary] : wanted(request, 1)) {
      if (index == 0) {
        OutputTensor output{record_output, "BYTES", {1}, "", binary};
        const std::string text = Json().open('{').fields(record).close('}').text();
        const auto length = static_cast<std::uint32_t>(text.size());
        output.bytes.assign(reinterpret_cast<const char*>(&length), sizeof length);
        output.bytes += text;
        response.outputs.push_back(std::move(output));
      } else {
        OutputTensor output = output_of(outputs_[index].name, outputs_[index].shape, binary);
        append(output.bytes, computed.at(index - 1).data);
        response.outputs.push_back(std::move(output));
      }
    }
    spent.input += prepared - began;
    spent.infer += inferred - prepared;
    spent.output += Clock::now() - inferred;
    return response;
  }
};

}  // namespace

std::vector<std::pair<std::size_t, bool>> Served::wanted(const InferRequest& request, std::size_t unless) const {
  std::vector<std::pair<std::size_t, bool>> found;
  if (request.outputs.empty()) {
    for (std::size_t i = 0; i < unless; ++i) found.emplace_back(i, request.binary);
    return found;
  }
  for (const WantedOutput& asked : request.outputs) {
    const auto at = std::find_if(outputs_.begin(), outputs_.end(), [&](const TensorMeta& m) { return m.name == asked.name; });
    if (at == outputs_.end()) {
      throw Refusal(Why::invalid, "the model '" + name_ + "' has no output '" + asked.name.substr(0, 64) + "'");
    }
    const auto index = static_cast<std::size_t>(at - outputs_.begin());
    // Asked for twice it would be sent twice, and a small question would have a large answer.
    for (const auto& [there, binary] : found) {
      if (there == index) throw Refusal(Why::invalid, "the output '" + asked.name + "' is asked for twice");
    }
    found.emplace_back(index, asked.binary);
  }
  return found;
}

void Served::executed(std::size_t samples, std::size_t requests, const Spent& spent) {
  const std::lock_guard<std::mutex> lock(mutex_);
  statistics_.last = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  statistics_.inferences += samples;
  ++statistics_.executions;
  // As the protocol counts: each request has taken as long as the batch that it was in.
  statistics_.times[Statistics::compute_input].add(spent.input, requests);
  statistics_.times[Statistics::compute_infer].add(spent.infer, requests);
  statistics_.times[Statistics::compute_output].add(spent.output, requests);
  Statistics::Batch& batch = statistics_.batches[samples];
  batch.input.add(spent.input);
  batch.infer.add(spent.infer);
  batch.output.add(spent.output);
}

void Served::answered(bool well, std::chrono::nanoseconds whole, std::chrono::nanoseconds queued) {
  const std::lock_guard<std::mutex> lock(mutex_);
  statistics_.times[well ? Statistics::success : Statistics::fail].add(whole);
  if (well) statistics_.times[Statistics::queue].add(queued);
}

Statistics Served::statistics() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return statistics_;
}

std::vector<std::unique_ptr<Served>> everything_served() {
  std::vector<std::unique_ptr<Served>> served;
  served.push_back(std::make_unique<ServedModel>());
  served.push_back(std::make_unique<ServedPipeline>());
  return served;
}

}  // namespace edgepack::program
