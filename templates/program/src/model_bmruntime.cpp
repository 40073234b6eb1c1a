// Sophon's BMRuntime, on a chip by contract only. Each call after the libsophon guide, "BMRuntime" (sophgo/libsophon,
// tpu-runtime/docs) and "BMLIB".
#include <bmlib_runtime.h>
#include <bmruntime_interface.h>

#include <cstddef>
#include <cstdlib>
#include <memory>

#include "aside.hpp"
#include "native_tensor.hpp"
#include "runtime_library.hpp"

namespace edgepack::program {

namespace {

constexpr int kDevice = 0;  // of a SoC the only one

struct Api {
  RuntimeLibrary bmlib{"BMLIB", {"libbmlib.so", "libbmlib.so.0"}};  // the box's: they belong to the driver
  RuntimeLibrary bmrt{"BMRuntime", {"libbmrt.so", "libbmrt.so.1.0"}};
#define EDGEPACK_FUNCTION(library, name) decltype(::name)* const name = library.function<decltype(::name)>(#name)
  EDGEPACK_FUNCTION(bmlib, bm_dev_request);
  EDGEPACK_FUNCTION(bmlib, bm_dev_free);
  EDGEPACK_FUNCTION(bmlib, bm_malloc_device_byte);
  EDGEPACK_FUNCTION(bmlib, bm_free_device);
  EDGEPACK_FUNCTION(bmlib, bm_memcpy_s2d_partial);
  EDGEPACK_FUNCTION(bmlib, bm_memcpy_d2s_partial);
  EDGEPACK_FUNCTION(bmlib, bm_thread_sync);
  EDGEPACK_FUNCTION(bmrt, bmrt_create);
  EDGEPACK_FUNCTION(bmrt, bmrt_destroy);
  EDGEPACK_FUNCTION(bmrt, bmrt_load_bmodel);
  EDGEPACK_FUNCTION(bmrt, bmrt_get_network_number);
  EDGEPACK_FUNCTION(bmrt, bmrt_get_network_names);
  EDGEPACK_FUNCTION(bmrt, bmrt_get_network_info);
  EDGEPACK_FUNCTION(bmrt, bmrt_tensor_with_device);
  EDGEPACK_FUNCTION(bmrt, bmrt_launch_tensor_ex);
#undef EDGEPACK_FUNCTION
};

/// bm_status_t
std::string said(int status) {
  switch (status) {
    case BM_ERR_DEVNOTREADY: return "the device is not ready";
    case BM_ERR_TIMEOUT: return "it timed out";
    case BM_ERR_PARAM: return "invalid parameter";
    case BM_ERR_NOMEM: return "not enough memory on the device";
    case BM_ERR_BUSY: return "the device is busy";
    default: return "it failed";
  }
}

void check(int status, const std::string& what) {
  if (status == BM_SUCCESS) return;
  throw ModelError("BMRuntime cannot " + what + ": " + said(status) + " (" + std::to_string(status) + ")");
}

/// The device, the runtime on it, and memory of the device: each is freed in the reverse order.
struct Device {
  explicit Device(const Api& of) : api(of) {
    const Aside aside;
    check(api.bm_dev_request(&handle, kDevice), "open the device " + std::to_string(kDevice));
    runtime = api.bmrt_create(handle);
    if (runtime != nullptr) return;
    api.bm_dev_free(handle);
    throw ModelError("BMRuntime cannot start on the device " + std::to_string(kDevice));
  }
  ~Device() {
    const Aside aside;
    for (const bm_device_mem_t& memory : taken) api.bm_free_device(handle, memory);
    api.bmrt_destroy(runtime);
    api.bm_dev_free(handle);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  bm_device_mem_t take(std::size_t size, const std::string& tensor) {
    bm_device_mem_t memory{};
    taken.reserve(taken.size() + 1);
    check(api.bm_malloc_device_byte(handle, &memory, static_cast<unsigned int>(size)), "allocate " + tensor);
    taken.push_back(memory);
    return memory;
  }

  const Api& api;
  bm_handle_t handle = nullptr;
  void* runtime = nullptr;
  std::vector<bm_device_mem_t> taken;
};

Kind kind_of(bm_data_type_t type, const std::string& tensor) {
  switch (type) {
    case BM_FLOAT32: return Kind::float32;
    case BM_FLOAT16: return Kind::float16;
    case BM_INT8: return Kind::int8;
    case BM_UINT8: return Kind::uint8;
    case BM_INT16: return Kind::int16;
    case BM_UINT16: return Kind::uint16;
    case BM_INT32: return Kind::int32;
    default: throw ModelError(tensor + " is of a type that is not read here (" + std::to_string(type) + ")");
  }
}

/// The zero points of quantised tensors, which the header of older releases has not.
template <class Net>
auto input_zero(const Net& net, int index, int) -> decltype(+*net.input_zero_point) {
  return net.input_zero_point != nullptr ? net.input_zero_point[index] : 0;
}
template <class Net>
auto output_zero(const Net& net, int index, int) -> decltype(+*net.output_zero_point) {
  return net.output_zero_point != nullptr ? net.output_zero_point[index] : 0;
}
template <class Net>
int input_zero(const Net&, int, long) {
  return 0;
}
template <class Net>
int output_zero(const Net&, int, long) {
  return 0;
}

class BmRuntimeModel : public Model {
 public:
  BmRuntimeModel(const std::string& folder, const Config& config) : file_(folder + "/model.bmodel"), device_(api_) {
    const Aside aside;
    if (!api_.bmrt_load_bmodel(device_.runtime, file_.c_str())) throw ModelError("BMRuntime cannot load " + file_);
    const bm_net_info_t& net = network();
    if (net.input_num != 1 || net.stage_num < 1) {
      throw ModelError(file_ + ": has " + std::to_string(net.input_num) + " inputs, 1 was expected");
    }
    // bm_net_info_t: kept = real * input_scale + input_zero_point; real = (kept - zero point) * output_scale.
    const Kind kind = kind_of(net.input_dtypes[0], config.input.tensor);
    const float scale = kind == Kind::float32 || kind == Kind::float16 ? 1 : net.input_scales[0];
    ins_.emplace_back(config.input, kind, Scale{scale != 0 ? 1 / scale : 1, input_zero(net, 0, 0)});
    place(ins_.back(), net.stages[0].input_shapes[0], net.max_input_bytes[0], net.input_dtypes[0], in_tensors_);
    // All outputs of the network are computed; those that are asked for are found by their names.
    for (int i = 0; i < net.output_num; ++i) {
      const std::string name = net.output_names[i];
      for (std::size_t k = 0; k < config.outputs.size(); ++k) {
        if (config.outputs[k].blob != name) continue;
        const Kind type = kind_of(net.output_dtypes[i], name);
        const bool real = type == Kind::float32 || type == Kind::float16;
        outs_.emplace_back(config.outputs[k], type, Scale{real ? 1 : net.output_scales[i], output_zero(net, i, 0)});
        at_.push_back({k, static_cast<std::size_t>(i)});
        require_count(count(net.stages[0].output_shapes[i]), config.outputs[k]);
      }
      out_tensors_.emplace_back();
      const bm_device_mem_t memory = device_.take(net.max_output_bytes[i], name);
      api_.bmrt_tensor_with_device(&out_tensors_.back(), memory, net.output_dtypes[i], net.stages[0].output_shapes[i]);
    }
    for (std::size_t k = 0; k < config.outputs.size(); ++k) {
      if (std::none_of(at_.begin(), at_.end(), [&](const At& at) { return at.wanted == k; })) {
        throw ModelError(file_ + ": has no output " + config.outputs[k].blob);
      }
    }
    name_ = net.name;
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    const Aside aside;
    NativeTensor& in = ins_.front();
    require_fits(input, in.info());
    in.take(input);
    check(api_.bm_memcpy_s2d_partial(device_.handle, in_tensors_[0].device_mem, in.data(), size(in)), "copy the input");
    // user_mem: into the memory that the tensors have.
    if (!api_.bmrt_launch_tensor_ex(device_.runtime, name_.c_str(), in_tensors_.data(), 1, out_tensors_.data(),
                                    static_cast<int>(out_tensors_.size()), true, false)) {
      throw ModelError("BMRuntime cannot compute the model");
    }
    check(api_.bm_thread_sync(device_.handle), "wait for the model");  // a launch returns at once
    std::vector<Tensor> results(outs_.size());
    for (std::size_t i = 0; i < outs_.size(); ++i) {
      const bm_device_mem_t& memory = out_tensors_[at_[i].in_network].device_mem;
      check(api_.bm_memcpy_d2s_partial(device_.handle, outs_[i].data(), memory, size(outs_[i])), "copy an output");
      results[at_[i].wanted] = outs_[i].give();
    }
    return results;
  }

 private:
  struct At {
    std::size_t wanted, in_network;
  };

  static unsigned int size(const NativeTensor& tensor) { return static_cast<unsigned int>(tensor.size()); }

  static std::size_t count(const bm_shape_t& shape) {
    return elements(std::vector<int>(shape.dims, shape.dims + shape.num_dims));
  }

  /// The one network of the file.
  const bm_net_info_t& network() {
    if (api_.bmrt_get_network_number(device_.runtime) != 1) throw ModelError(file_ + ": has not the one network");
    const char** names = nullptr;
    api_.bmrt_get_network_names(device_.runtime, &names);
    const std::unique_ptr<const char*, void (*)(void*)> owned(names, std::free);  // the list; the names are not ours
    const bm_net_info_t* net = names != nullptr ? api_.bmrt_get_network_info(device_.runtime, names[0]) : nullptr;
    if (net == nullptr) throw ModelError(file_ + ": BMRuntime does not describe its network");
    return *net;
  }

  void place(const NativeTensor& native, const bm_shape_t& shape, std::size_t most, bm_data_type_t type,
             std::vector<bm_tensor_t>& tensors) {
    require_count(count(shape), native.info());
    tensors.emplace_back();
    const bm_device_mem_t memory = device_.take(std::max(most, native.size()), native.info().tensor);
    api_.bmrt_tensor_with_device(&tensors.back(), memory, type, shape);
  }

  Api api_;
  std::string file_, name_;
  Device device_;
  std::vector<NativeTensor> ins_, outs_;
  std::vector<At> at_;  // of each in `outs_`
  std::vector<bm_tensor_t> in_tensors_, out_tensors_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<BmRuntimeModel>(folder, config);
}

}  // namespace edgepack::program
