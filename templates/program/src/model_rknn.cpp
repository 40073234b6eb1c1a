// Rockchip's RKNN, by contract only. Each call after "User Guide RKNN API" (airockchip/rknn-toolkit2, doc/).
#include <rknn_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "native_tensor.hpp"
#include "runtime_library.hpp"

namespace edgepack::program {

namespace {

struct Api {
  RuntimeLibrary library{"RKNN", {"librknnrt.so"}};  // the box's: it belongs to the driver
#define EDGEPACK_FUNCTION(name) decltype(::name)* const name = library.function<decltype(::name)>(#name)
  EDGEPACK_FUNCTION(rknn_init);
  EDGEPACK_FUNCTION(rknn_destroy);
  EDGEPACK_FUNCTION(rknn_query);
  EDGEPACK_FUNCTION(rknn_inputs_set);
  EDGEPACK_FUNCTION(rknn_run);
  EDGEPACK_FUNCTION(rknn_outputs_get);
  EDGEPACK_FUNCTION(rknn_outputs_release);
#undef EDGEPACK_FUNCTION
};

/// "RKNN error codes" in the guide.
std::string said(int code) {
  switch (code) {
    case RKNN_ERR_TIMEOUT: return "it timed out";
    case RKNN_ERR_DEVICE_UNAVAILABLE: return "the NPU is not available";
    case RKNN_ERR_MALLOC_FAIL: return "not enough memory";
    case RKNN_ERR_PARAM_INVALID: return "invalid parameter";
    case RKNN_ERR_MODEL_INVALID: return "the model is damaged, or newer than this librknnrt";
    case RKNN_ERR_CTX_INVALID: return "invalid context";
    case RKNN_ERR_INPUT_INVALID: return "invalid input";
    case RKNN_ERR_OUTPUT_INVALID: return "invalid output";
    case RKNN_ERR_DEVICE_UNMATCH: return "librknnrt and the NPU's driver do not fit together";
    case RKNN_ERR_TARGET_PLATFORM_UNMATCH: return "the model was converted for another chip";
    default: return "it failed";
  }
}

class RknnModel : public Model {
 public:
  RknnModel(const std::string& folder, const Config& config)
      : input_(config.input), outputs_(config.outputs), file_(folder + "/model.rknn"), context_(api_) {
    std::vector<unsigned char> bytes = model_bytes(file_);
    // "model": the file's bytes; they may be freed after.
    const int code = api_.rknn_init(&context_.handle, bytes.data(), static_cast<std::uint32_t>(bytes.size()), 0, nullptr);
    context_.made = code == RKNN_SUCC;
    check(code, "load " + file_);
    rknn_input_output_num counts{};
    query(RKNN_QUERY_IN_OUT_NUM, counts, "describe " + file_);
    if (counts.n_input != 1 || counts.n_output != outputs_.size()) {
      throw ModelError(file_ + ": has " + std::to_string(counts.n_input) + " inputs and " +
                       std::to_string(counts.n_output) + " outputs, 1 and " + std::to_string(outputs_.size()) +
                       " were expected");
    }
    input_attr_ = described(RKNN_QUERY_INPUT_ATTR, 0, input_);
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      // In the order of the model, as the converter's names out0, out1, … are.
      const rknn_tensor_attr attr = described(RKNN_QUERY_OUTPUT_ATTR, static_cast<std::uint32_t>(i), outputs_[i]);
      outputs_[i].channels_last = attr.fmt == RKNN_TENSOR_NHWC && outputs_[i].shape.size() > 1;
    }
    // An image is taken with its channels last, whatever the model's own order is ("rknn_inputs_set").
    input_.channels_last = input_attr_.n_dims == 4 && input_.shape.size() == 3;
    native_.resize(elements(input_.shape));
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    require_fits(input, input_);
    to_native(input.data.data(), input_, native_.data());
    rknn_input in{};
    in.index = 0;
    in.buf = native_.data();
    in.size = static_cast<std::uint32_t>(native_.size() * sizeof(float));
    in.pass_through = 0;  // it quantises by the model's own scale and zero point
    in.type = RKNN_TENSOR_FLOAT32;
    in.fmt = input_.channels_last ? RKNN_TENSOR_NHWC : input_attr_.fmt;
    check(api_.rknn_inputs_set(context_.handle, 1, &in), "take the input");
    check(api_.rknn_run(context_.handle, nullptr), "compute the model");
    const Outputs outs(*this, outputs_.size());
    std::vector<Tensor> results;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      require_count(outs.rows[i].size / sizeof(float), outputs_[i]);
      results.push_back(from_native(static_cast<const float*>(outs.rows[i].buf), outputs_[i]));
    }
    return results;
  }

 private:
  struct Context {
    explicit Context(const Api& of) : api(of) {}
    ~Context() {
      if (made) api.rknn_destroy(handle);
    }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    const Api& api;
    rknn_context handle = 0;
    bool made = false;
  };

  /// The outputs of a run as floats, in memory of the library until this is gone.
  struct Outputs {
    Outputs(const RknnModel& of, std::size_t count) : model(of), rows(count) {
      for (std::size_t i = 0; i < count; ++i) {
        rows[i].index = static_cast<std::uint32_t>(i);
        rows[i].want_float = 1;
      }
      model.check(model.api_.rknn_outputs_get(model.context_.handle, size(), rows.data(), nullptr), "give the outputs");
    }
    ~Outputs() { model.api_.rknn_outputs_release(model.context_.handle, size(), rows.data()); }
    Outputs(const Outputs&) = delete;
    Outputs& operator=(const Outputs&) = delete;

    std::uint32_t size() const { return static_cast<std::uint32_t>(rows.size()); }

    const RknnModel& model;
    std::vector<rknn_output> rows;
  };

  void check(int code, const std::string& what) const {
    if (code == RKNN_SUCC) return;
    throw ModelError("RKNN cannot " + what + ": " + said(code) + " (" + std::to_string(code) + ")");
  }

  template <class Answer>
  void query(rknn_query_cmd command, Answer& answer, const std::string& what) const {
    check(api_.rknn_query(context_.handle, command, &answer, sizeof answer), what);
  }

  rknn_tensor_attr described(rknn_query_cmd command, std::uint32_t index, const TensorInfo& info) const {
    rknn_tensor_attr attr{};
    attr.index = index;
    query(command, attr, "describe " + info.tensor);
    require_count(attr.n_elems, info);
    return attr;
  }

  Api api_;
  TensorInfo input_;
  std::vector<TensorInfo> outputs_;
  std::string file_;
  Context context_;
  rknn_tensor_attr input_attr_{};
  std::vector<float> native_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<RknnModel>(folder, config);
}

}  // namespace edgepack::program
