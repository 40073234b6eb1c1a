// Rockchip's RKNN on RV1103 and RV1106, by contract only: of librknnmrt the zero-copy interface, which is all that those
// chips have. Each call after "User Guide RKNN API", 'Zero-copy API', and the maker's examples for these chips
// (airockchip/rknn-toolkit2, rknpu2/examples/RV1106_RV1103; rknn_model_zoo).
#include <rknn_api.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "aside.hpp"
#include "native_tensor.hpp"
#include "runtime_library.hpp"

namespace edgepack::program {

namespace {

struct Api {
  RuntimeLibrary library{"RKNN", {"librknnmrt.so"}};  // the box's: it belongs to the driver
#define EDGEPACK_FUNCTION(name) decltype(::name)* const name = library.function<decltype(::name)>(#name)
  EDGEPACK_FUNCTION(rknn_init);
  EDGEPACK_FUNCTION(rknn_destroy);
  EDGEPACK_FUNCTION(rknn_query);
  EDGEPACK_FUNCTION(rknn_run);
  EDGEPACK_FUNCTION(rknn_create_mem);
  EDGEPACK_FUNCTION(rknn_destroy_mem);
  EDGEPACK_FUNCTION(rknn_set_io_mem);
#undef EDGEPACK_FUNCTION
};

/// "RKNN error codes" in the guide.
std::string said(int code) {
  switch (code) {
    case RKNN_ERR_TIMEOUT: return "it timed out";
    case RKNN_ERR_DEVICE_UNAVAILABLE: return "the NPU is not available";
    case RKNN_ERR_MALLOC_FAIL: return "not enough memory";
    case RKNN_ERR_PARAM_INVALID: return "invalid parameter";
    case RKNN_ERR_MODEL_INVALID: return "the model is damaged, or newer than this librknnmrt";
    case RKNN_ERR_CTX_INVALID: return "invalid context";
    case RKNN_ERR_INPUT_INVALID: return "invalid input";
    case RKNN_ERR_OUTPUT_INVALID: return "invalid output";
    case RKNN_ERR_DEVICE_UNMATCH: return "librknnmrt and the NPU's driver do not fit together";
    case RKNN_ERR_TARGET_PLATFORM_UNMATCH: return "the model was converted for another chip";
    default: return "it failed";
  }
}

void check(int code, const std::string& what) {
  if (code == RKNN_SUCC) return;
  throw ModelError("RKNN cannot " + what + ": " + said(code) + " (" + std::to_string(code) + ")");
}

Kind kind_of(rknn_tensor_type type, const std::string& tensor) {
  switch (type) {
    case RKNN_TENSOR_FLOAT32: return Kind::float32;
    case RKNN_TENSOR_FLOAT16: return Kind::float16;
    case RKNN_TENSOR_INT8: return Kind::int8;
    case RKNN_TENSOR_UINT8: return Kind::uint8;
    case RKNN_TENSOR_INT16: return Kind::int16;
    case RKNN_TENSOR_UINT16: return Kind::uint16;
    case RKNN_TENSOR_INT32: return Kind::int32;
    case RKNN_TENSOR_INT64: return Kind::int64;
    default: throw ModelError(tensor + " is of a type that is not read here (" + std::to_string(type) + ")");
  }
}

Scale scale_of(const rknn_tensor_attr& attr) {
  if (attr.qnt_type == RKNN_TENSOR_QNT_AFFINE_ASYMMETRIC) return {attr.scale, attr.zp};
  if (attr.qnt_type == RKNN_TENSOR_QNT_DFP) return {std::ldexp(1.0f, -attr.fl), 0};
  return {};
}

/// Where each number of a tensor, channels first, lies in memory as the NPU has it.
std::vector<std::size_t> places(const rknn_tensor_attr& attr, const TensorInfo& info) {
  const std::size_t count = elements(info.shape);
  std::vector<std::size_t> found(count);
  const auto axis = [&](int at) { return static_cast<std::size_t>(attr.dims[at]); };
  const bool blocks = attr.fmt == RKNN_TENSOR_NC1HWC2 && attr.n_dims == 5;
  const bool last = attr.fmt == RKNN_TENSOR_NHWC && attr.n_dims == 4;
  const bool first = attr.fmt == RKNN_TENSOR_NCHW && attr.n_dims == 4;
  if (!blocks && !last && !first) {  // no image: one after the other
    for (std::size_t i = 0; i < count; ++i) found[i] = i;
    return found;
  }
  const std::size_t height = axis(last ? 1 : 2), width = axis(last ? 2 : 3);
  // In blocks of C2 channels the last may be a part: how many there are is said by the trained model alone.
  const std::size_t plane = height * width;
  const std::size_t channels = plane == 0 ? 0 : count / plane;
  const std::size_t kept = blocks ? axis(1) * axis(4) : axis(last ? 3 : 1);
  const bool same = channels == static_cast<std::size_t>(info.shape.front()) || channels == 1 || plane == 1;
  if (plane == 0 || channels * plane != count || (blocks ? kept < channels : kept != channels) || !same) {
    throw ModelError(info.tensor + " does not lie in memory as " + words(info.shape) + " does");
  }
  const std::size_t row = std::max(width, static_cast<std::size_t>(attr.w_stride));
  const std::size_t block = blocks ? axis(4) : 1;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t x = 0; x < width; ++x) {
        std::size_t& at = found[(c * height + y) * width + x];
        if (last) at = (y * row + x) * channels + c;
        if (first) at = (c * height + y) * row + x;
        if (blocks) at = ((c / block * height + y) * width + x) * block + c % block;
      }
    }
  }
  return found;
}

/// The context, and what was made with it.
struct Context {
  explicit Context(const Api& of) : api(of) {}
  ~Context() {
    for (rknn_tensor_mem* const memory : taken) api.rknn_destroy_mem(handle, memory);
    if (made) api.rknn_destroy(handle);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  rknn_tensor_mem* take(std::uint32_t size, const std::string& tensor) {
    taken.reserve(taken.size() + 1);
    rknn_tensor_mem* const memory = api.rknn_create_mem(handle, size);
    if (memory == nullptr) throw ModelError("RKNN cannot allocate " + tensor);
    taken.push_back(memory);
    return memory;
  }

  const Api& api;
  rknn_context handle = 0;
  bool made = false;
  std::vector<rknn_tensor_mem*> taken;
};

/// A tensor of the model in memory that the NPU reads and writes itself.
class Place {
 public:
  Place(Context& context, rknn_tensor_attr attr, const TensorInfo& info)
      : info_(info), kind_(kind_of(attr.type, info.tensor)), scale_(scale_of(attr)), at_(places(attr, info)) {
    const std::size_t bytes = std::max(attr.size, attr.size_with_stride);
    floats_.resize(bytes / width(kind_));
    if (*std::max_element(at_.begin(), at_.end()) >= floats_.size()) {
      throw ModelError(info.tensor + " has " + std::to_string(bytes) + " bytes, too few for " + words(info.shape));
    }
    memory_ = context.take(static_cast<std::uint32_t>(bytes), info.tensor);
    check(context.api.rknn_set_io_mem(context.handle, memory_, &attr), "take memory for " + info.tensor);
  }

  void write(const Tensor& tensor) {
    require_fits(tensor, info_);
    for (std::size_t i = 0; i < at_.size(); ++i) floats_[at_[i]] = tensor.data[i];
    encode(floats_.data(), floats_.size(), kind_, scale_, bytes());
  }

  Tensor read() {
    decode(bytes(), floats_.size(), kind_, scale_, floats_.data());
    Tensor result{info_.shape, std::vector<float>(at_.size())};
    for (std::size_t i = 0; i < at_.size(); ++i) result.data[i] = floats_[at_[i]];
    return result;
  }

 private:
  unsigned char* bytes() const { return static_cast<unsigned char*>(memory_->virt_addr); }

  TensorInfo info_;
  Kind kind_;
  Scale scale_;
  std::vector<std::size_t> at_;
  std::vector<float> floats_;
  rknn_tensor_mem* memory_ = nullptr;  // the context's
};

class RknnmrtModel : public Model {
 public:
  RknnmrtModel(const std::string& folder, const Config& config) : file_(folder + "/model.rknn"), context_(api_) {
    const Aside aside;
    std::vector<unsigned char> bytes = model_bytes(file_);
    // "model": the file's bytes; they may be freed after.
    const int code = api_.rknn_init(&context_.handle, bytes.data(), static_cast<std::uint32_t>(bytes.size()), 0, nullptr);
    context_.made = code == RKNN_SUCC;
    check(code, "load " + file_);
    rknn_input_output_num counts{};
    check(query(RKNN_QUERY_IN_OUT_NUM, counts), "describe " + file_);
    if (counts.n_input != 1 || counts.n_output != config.outputs.size()) {
      throw ModelError(file_ + ": has " + std::to_string(counts.n_input) + " inputs and " +
                       std::to_string(counts.n_output) + " outputs, 1 and " + std::to_string(config.outputs.size()) +
                       " were expected");
    }
    // As the NPU has it: quantised here, by the model's own scale and zero point.
    rknn_tensor_attr attr{};
    check(query(RKNN_QUERY_NATIVE_INPUT_ATTR, attr), "describe " + config.input.tensor);
    in_.push_back(std::make_unique<Place>(context_, attr, config.input));
    for (std::size_t i = 0; i < config.outputs.size(); ++i) {
      const auto index = static_cast<std::uint32_t>(i);  // in the order of the model, as the converter's names are
      outs_.push_back(std::make_unique<Place>(context_, output(index, config.outputs[i]), config.outputs[i]));
    }
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    const Aside aside;
    in_.front()->write(input);
    check(api_.rknn_run(context_.handle, nullptr), "compute the model");
    std::vector<Tensor> results;
    for (const auto& out : outs_) results.push_back(out->read());
    return results;
  }

 private:
  template <class Answer>
  int query(rknn_query_cmd command, Answer& answer) const {
    return api_.rknn_query(context_.handle, command, &answer, sizeof answer);
  }

  /// RV1103 and RV1106 write outputs with their channels behind; RV1103B and RV1106B in blocks of channels alone.
  rknn_tensor_attr output(std::uint32_t index, const TensorInfo& info) const {
    rknn_tensor_attr attr{};
    attr.index = index;
    if (query(RKNN_QUERY_NATIVE_NHWC_OUTPUT_ATTR, attr) == RKNN_SUCC) return attr;
    attr = {};
    attr.index = index;
    check(query(RKNN_QUERY_NATIVE_OUTPUT_ATTR, attr), "describe " + info.tensor);
    return attr;
  }

  Api api_;
  std::string file_;
  Context context_;  // ends after what uses its memory
  std::vector<std::unique_ptr<Place>> in_, outs_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<RknnmrtModel>(folder, config);
}

}  // namespace edgepack::program
