// VeriSilicon's VIPLite, by contract only. Each call after the reference in vip_lite.h and vip_lite_common.h, groups
// "global", "buffer" and "network", as boards with such an NPU have them.
#include <vip_lite.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>

#include "native_tensor.hpp"
#include "runtime_library.hpp"

namespace edgepack::program {

namespace {

struct Api {
  // The box's: it belongs to the driver. Releases have it in one library, or its upper half in another.
  RuntimeLibrary library{"VIPLite", {"libVIPlite.so", "libNBGlinker.so"}};
#define EDGEPACK_FUNCTION(name) decltype(::name)* const name = library.function<decltype(::name)>(#name)
  EDGEPACK_FUNCTION(vip_init);
  EDGEPACK_FUNCTION(vip_destroy);
  EDGEPACK_FUNCTION(vip_create_buffer);
  EDGEPACK_FUNCTION(vip_destroy_buffer);
  EDGEPACK_FUNCTION(vip_map_buffer);
  EDGEPACK_FUNCTION(vip_unmap_buffer);
  EDGEPACK_FUNCTION(vip_get_buffer_size);
  EDGEPACK_FUNCTION(vip_flush_buffer);
  EDGEPACK_FUNCTION(vip_create_network);
  EDGEPACK_FUNCTION(vip_destroy_network);
  EDGEPACK_FUNCTION(vip_query_network);
  EDGEPACK_FUNCTION(vip_query_input);
  EDGEPACK_FUNCTION(vip_query_output);
  EDGEPACK_FUNCTION(vip_prepare_network);
  EDGEPACK_FUNCTION(vip_finish_network);
  EDGEPACK_FUNCTION(vip_set_input);
  EDGEPACK_FUNCTION(vip_set_output);
  EDGEPACK_FUNCTION(vip_run_network);
#undef EDGEPACK_FUNCTION
};

/// vip_status_e
std::string said(int status) {
  switch (status) {
    case VIP_ERROR_NETWORK_INCOMPATIBLE: return "the model was converted for another chip";
    case VIP_ERROR_INVALID_NETWORK: return "the model is damaged";
    case VIP_ERROR_OUT_OF_MEMORY: return "not enough memory";
    case VIP_ERROR_OUT_OF_RESOURCE: return "a resource of the NPU is missing";
    case VIP_ERROR_NOT_SUPPORTED: return "not supported";
    case VIP_ERROR_INVALID_ARGUMENTS: return "invalid argument";
    case VIP_ERROR_IO: return "the file or the NPU's device cannot be read";
    case VIP_ERROR_TIMEOUT: return "it timed out";
    default: return "it failed";
  }
}

void check(int status, const std::string& what) {
  if (status == VIP_SUCCESS) return;
  throw ModelError("VIPLite cannot " + what + ": " + said(status) + " (" + std::to_string(status) + ")");
}

/// vip_init first and vip_destroy last, once for all models of the process.
class Npu {
 public:
  explicit Npu(const Api& of) : api_(of) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (users_ == 0) check(api_.vip_init(), "open the NPU");
    ++users_;
  }
  ~Npu() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--users_ == 0) api_.vip_destroy();
  }
  Npu(const Npu&) = delete;
  Npu& operator=(const Npu&) = delete;

 private:
  static inline std::mutex mutex_;
  static inline int users_ = 0;

  const Api& api_;
};

/// A network, prepared once it has been described, and the buffers that it is given.
struct Network {
  Network(const Api& of, const std::vector<unsigned char>& bytes, const std::string& file) : api(of) {
    check(api.vip_create_network(bytes.data(), static_cast<vip_uint32_t>(bytes.size()), VIP_CREATE_NETWORK_FROM_MEMORY,
                                 &handle),
          "load " + file);
  }
  ~Network() {
    if (prepared) api.vip_finish_network(handle);
    api.vip_destroy_network(handle);
    for (const vip_buffer buffer : buffers) api.vip_destroy_buffer(buffer);
  }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  vip_buffer take(vip_buffer_create_params_t& params, const std::string& tensor) {
    vip_buffer buffer = nullptr;
    buffers.reserve(buffers.size() + 1);
    check(api.vip_create_buffer(&params, sizeof params, &buffer), "allocate " + tensor);
    buffers.push_back(buffer);
    return buffer;
  }

  const Api& api;
  vip_network handle = nullptr;
  bool prepared = false;
  std::vector<vip_buffer> buffers;
};

Kind kind_of(vip_enum format, const std::string& tensor) {
  switch (format) {
    case VIP_BUFFER_FORMAT_FP32: return Kind::float32;
    case VIP_BUFFER_FORMAT_FP16: return Kind::float16;
    case VIP_BUFFER_FORMAT_UINT8: return Kind::uint8;
    case VIP_BUFFER_FORMAT_INT8: return Kind::int8;
    case VIP_BUFFER_FORMAT_UINT16: return Kind::uint16;
    case VIP_BUFFER_FORMAT_INT16: return Kind::int16;
    case VIP_BUFFER_FORMAT_INT32: return Kind::int32;
    case VIP_BUFFER_FORMAT_INT64: return Kind::int64;
    default: throw ModelError(tensor + " is of a type that is not read here (" + std::to_string(format) + ")");
  }
}

class VipLiteModel : public Model {
 public:
  VipLiteModel(const std::string& folder, const Config& config)
      : file_(folder + "/model.nb"), npu_(api_), bytes_(model_bytes(file_)), network_(api_, bytes_, file_) {
    vip_uint32_t inputs = 0, outputs = 0;
    check(api_.vip_query_network(network_.handle, VIP_NETWORK_PROP_INPUT_COUNT, &inputs), "describe " + file_);
    check(api_.vip_query_network(network_.handle, VIP_NETWORK_PROP_OUTPUT_COUNT, &outputs), "describe " + file_);
    if (inputs != 1 || outputs != config.outputs.size()) {
      throw ModelError(file_ + ": has " + std::to_string(inputs) + " inputs and " + std::to_string(outputs) +
                       " outputs, 1 and " + std::to_string(config.outputs.size()) + " were expected");
    }
    // In the order of the model: an NBG's own names are not ONNX's.
    allocate(config.input, 0, api_.vip_query_input);
    for (vip_uint32_t i = 0; i < outputs; ++i) allocate(config.outputs[i], i, api_.vip_query_output);
    check(api_.vip_prepare_network(network_.handle), "prepare " + file_);
    network_.prepared = true;
    check(api_.vip_set_input(network_.handle, 0, network_.buffers[0]), "place the input");
    for (vip_uint32_t i = 0; i < outputs; ++i) {
      check(api_.vip_set_output(network_.handle, i, network_.buffers[i + 1]), "place an output");
    }
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    NativeTensor& in = natives_.front();
    require_fits(input, in.info());
    in.take(input);
    {
      const Mapped memory(api_, network_.buffers.front(), in);
      std::memcpy(memory.address, in.data(), in.size());
    }
    // The processor's cache is not the NPU's: out before the run, thrown away before results are read.
    check(api_.vip_flush_buffer(network_.buffers.front(), VIP_BUFFER_OPER_TYPE_FLUSH), "give the input to the NPU");
    check(api_.vip_run_network(network_.handle), "compute the model");
    std::vector<Tensor> results;
    for (std::size_t i = 1; i < natives_.size(); ++i) {
      check(api_.vip_flush_buffer(network_.buffers[i], VIP_BUFFER_OPER_TYPE_INVALIDATE), "take an output");
      const Mapped memory(api_, network_.buffers[i], natives_[i]);
      std::memcpy(natives_[i].data(), memory.address, natives_[i].size());
      results.push_back(natives_[i].give());
    }
    return results;
  }

 private:
  struct Mapped {
    Mapped(const Api& of, vip_buffer of_buffer, const NativeTensor& tensor)
        : api(of), buffer(of_buffer), address(api.vip_map_buffer(buffer)) {
      if (address == nullptr) throw ModelError("VIPLite cannot map " + tensor.info().tensor);
      if (api.vip_get_buffer_size(buffer) >= tensor.size()) return;
      api.vip_unmap_buffer(buffer);
      throw ModelError("VIPLite has less memory for " + tensor.info().tensor + " than it needs");
    }
    ~Mapped() { api.vip_unmap_buffer(buffer); }
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;

    const Api& api;
    vip_buffer buffer;
    void* address;
  };

  /// A buffer as the network describes its tensor: type, sizes and quantisation are said again.
  template <class Query>
  void allocate(const TensorInfo& info, vip_uint32_t index, Query query) {
    const auto ask = [&](vip_enum property, void* value) {
      check(query(network_.handle, index, property, value), "describe " + info.tensor);
    };
    vip_buffer_create_params_t params{};
    params.memory_type = VIP_BUFFER_MEMORY_TYPE_DEFAULT;
    ask(VIP_BUFFER_PROP_NUM_OF_DIMENSION, &params.num_of_dims);
    if (params.num_of_dims < 1 || params.num_of_dims > 6) throw ModelError(info.tensor + " has too many axes");
    ask(VIP_BUFFER_PROP_SIZES_OF_DIMENSION, params.sizes);  // width first: the order of the numbers is {N, C, H, W}
    ask(VIP_BUFFER_PROP_DATA_FORMAT, &params.data_format);
    ask(VIP_BUFFER_PROP_QUANT_FORMAT, &params.quant_format);
    Scale scale;
    if (params.quant_format == VIP_BUFFER_QUANTIZE_TF_ASYMM) {
      ask(VIP_BUFFER_PROP_TF_SCALE, &params.quant_data.affine.scale);
      ask(VIP_BUFFER_PROP_TF_ZERO_POINT, &params.quant_data.affine.zeroPoint);
      scale = {params.quant_data.affine.scale, params.quant_data.affine.zeroPoint};
    } else if (params.quant_format == VIP_BUFFER_QUANTIZE_DYNAMIC_FIXED_POINT) {
      vip_uint8_t position = 0;
      ask(VIP_BUFFER_PROP_FIXED_POINT_POS, &position);
      params.quant_data.dfp.fixed_point_pos = static_cast<signed char>(position);
      scale = {std::ldexp(1.0f, -params.quant_data.dfp.fixed_point_pos), 0};
    }
    require_count(elements(std::vector<vip_uint32_t>(params.sizes, params.sizes + params.num_of_dims)), info);
    natives_.emplace_back(info, kind_of(params.data_format, info.tensor), scale);
    network_.take(params, info.tensor);
  }

  Api api_;
  std::string file_;
  // In this order: what was made last is freed first.
  Npu npu_;
  std::vector<unsigned char> bytes_;  // the network's, as long as it lives
  Network network_;
  std::vector<NativeTensor> natives_;  // the input, then the outputs; as the network's buffers
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<VipLiteModel>(folder, config);
}

}  // namespace edgepack::program
