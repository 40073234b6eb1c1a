#include <openvino/c/openvino.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "runtime_library.hpp"
#include "sealed.hpp"
#include "shapes.hpp"

namespace edgepack::program {

namespace {

constexpr const char* kLibrary = "libopenvino_c.so.2641";  // OpenVINO 2026.4.1

/// The C interface; no exception and no C++ type passes through it.
struct Api {
  explicit Api(const std::string& folder) : library("OpenVINO", {folder + "/../lib/" + kLibrary}) {}

  RuntimeLibrary library;
#define EDGEPACK_FUNCTION(name) decltype(::name)* const name = library.function<decltype(::name)>(#name)
  EDGEPACK_FUNCTION(ov_get_last_err_msg);
  EDGEPACK_FUNCTION(ov_get_error_info);
  EDGEPACK_FUNCTION(ov_free);
  EDGEPACK_FUNCTION(ov_core_create);
  EDGEPACK_FUNCTION(ov_core_free);
  EDGEPACK_FUNCTION(ov_core_read_model);
  EDGEPACK_FUNCTION(ov_core_read_model_from_memory_buffer);
  EDGEPACK_FUNCTION(ov_core_compile_model);
  EDGEPACK_FUNCTION(ov_model_free);
  EDGEPACK_FUNCTION(ov_model_inputs_size);
  EDGEPACK_FUNCTION(ov_compiled_model_free);
  EDGEPACK_FUNCTION(ov_compiled_model_create_infer_request);
  EDGEPACK_FUNCTION(ov_infer_request_free);
  EDGEPACK_FUNCTION(ov_infer_request_get_tensor);
  EDGEPACK_FUNCTION(ov_infer_request_infer);
  EDGEPACK_FUNCTION(ov_tensor_create_from_host_ptr);
  EDGEPACK_FUNCTION(ov_tensor_free);
  EDGEPACK_FUNCTION(ov_tensor_data);
  EDGEPACK_FUNCTION(ov_tensor_get_size);
  EDGEPACK_FUNCTION(ov_tensor_get_element_type);
#undef EDGEPACK_FUNCTION
};

class OpenVinoModel : public Model {
 public:
  OpenVinoModel(const std::string& folder, const Config& config)
      : api_(folder),
        input_(config.input),
        outputs_(config.outputs),
        folder_(folder),
        file_(folder + "/model.xml"),
        core_(nullptr, api_.ov_core_free),
        compiled_(nullptr, api_.ov_compiled_model_free),
        request_(nullptr, api_.ov_infer_request_free) {
    ov_core_t* core = nullptr;
    check(api_.ov_core_create(&core), "start");
    core_.reset(core);
    compile(config.threads);
    ov_infer_request_t* request = nullptr;
    check(api_.ov_compiled_model_create_infer_request(compiled_.get(), &request), "prepare " + file_);
    request_.reset(request);
    tensor(input_, "input");
    for (const TensorInfo& output : outputs_) tensor(output, "output");
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    require_fits(input, input_);
    // The request's own memory: it lives as long as the request, whatever becomes of `input`.
    const Held in = tensor(input_, "input");
    std::memcpy(floats(in, input_), input.data.data(), input.data.size() * sizeof(float));
    check(api_.ov_infer_request_infer(request_.get()), "compute the model");
    std::vector<Tensor> results;
    for (const TensorInfo& output : outputs_) {
      const Held out = tensor(output, "output");
      const float* values = floats(out, output);
      results.push_back(Tensor{output.shape, std::vector<float>(values, values + elements(output.shape))});
    }
    return results;
  }

 private:
  template <class T>
  using Owned = std::unique_ptr<T, void (*)(T*)>;
  using Held = Owned<ov_tensor_t>;

  void check(ov_status_e status, const std::string& what) const {
    if (status == ::OK) return;
    // ov_common.h: the thread's last message is the caller's to free; it is empty for what a C wrapper refused.
    const char* said = api_.ov_get_last_err_msg();
    const std::string why = said != nullptr ? said : "";
    if (said != nullptr) api_.ov_free(said);
    throw ModelError("OpenVINO cannot " + what + ": " + (why.empty() ? api_.ov_get_error_info(status) : why) + " (" +
                     std::to_string(static_cast<int>(status)) + ")");
  }

  /// By its path, or from the memory that it was decrypted into, which the weights stay in.
  ov_model_t* read() {
    ov_model_t* raw = nullptr;
    const HiddenMemory words = unsealed(file_);
    if (!words.there()) {
      check(api_.ov_core_read_model(core_.get(), file_.c_str(), nullptr, &raw), "read " + file_);
      return raw;
    }
    weights_ = unsealed(folder_ + "/model.bin");
    std::int64_t size = static_cast<std::int64_t>(weights_.size());
    ov_tensor_t* weights = nullptr;
    check(api_.ov_tensor_create_from_host_ptr(::U8, ov_shape_t{1, &size}, weights_.data(), &weights), "take the weights");
    const Held held(weights, api_.ov_tensor_free);
    check(api_.ov_core_read_model_from_memory_buffer(core_.get(), reinterpret_cast<const char*>(words.data()),
                                                     words.size(), weights, &raw),
          "read " + file_);
    return raw;
  }

  void compile(int threads) {
    ov_model_t* raw = read();
    const Owned<ov_model_t> model(raw, api_.ov_model_free);
    std::size_t inputs = 0;
    check(api_.ov_model_inputs_size(raw, &inputs), "describe " + file_);
    if (inputs != 1) throw ModelError(file_ + ": has not the one input " + input_.blob);
    ov_compiled_model_t* compiled = nullptr;
    // Half of these words are keys. f32: what the model was held to; without it some processors compute in bfloat16.
    // THROUGHPUT would start a stream a core, and one picture comes at a time.
    const std::string count = std::to_string(threads);
    if (threads > 0) {
      check(api_.ov_core_compile_model(core_.get(), raw, "CPU", 6, &compiled, "INFERENCE_PRECISION_HINT", "f32",
                                       "PERFORMANCE_HINT", "LATENCY", "INFERENCE_NUM_THREADS", count.c_str()),
            "compile " + file_);
    } else {
      check(api_.ov_core_compile_model(core_.get(), raw, "CPU", 4, &compiled, "INFERENCE_PRECISION_HINT", "f32",
                                       "PERFORMANCE_HINT", "LATENCY"),
            "compile " + file_);
    }
    compiled_.reset(compiled);
  }

  /// The request's tensor of that name, looked at: it is float32 and of the size that was expected.
  Held tensor(const TensorInfo& info, const std::string& kind) const {
    ov_tensor_t* raw = nullptr;
    const ov_status_e status = api_.ov_infer_request_get_tensor(request_.get(), info.blob.c_str(), &raw);
    if (status != ::OK) check(status, "find the " + kind + " " + info.blob + " in " + file_);
    Held held(raw, api_.ov_tensor_free);
    ov_element_type_e type = ::DYNAMIC;
    check(api_.ov_tensor_get_element_type(raw, &type), "describe " + info.tensor);
    if (type != ::F32) throw ModelError(file_ + ": " + info.blob + " is not float32");
    std::size_t count = 0;
    check(api_.ov_tensor_get_size(raw, &count), "describe " + info.tensor);
    require_count(count, info);
    return held;
  }

  float* floats(const Held& tensor, const TensorInfo& info) const {
    void* data = nullptr;
    check(api_.ov_tensor_data(tensor.get(), &data), "give " + info.tensor);
    return static_cast<float*>(data);
  }

  Api api_;
  TensorInfo input_;
  std::vector<TensorInfo> outputs_;
  std::string folder_, file_;
  HiddenMemory weights_;
  // In this order: what was made last is freed first.
  Owned<ov_core_t> core_;
  Owned<ov_compiled_model_t> compiled_;
  Owned<ov_infer_request_t> request_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<OpenVinoModel>(folder, config);
}

}  // namespace edgepack::program
