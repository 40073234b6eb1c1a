// Huawei's AscendCL, by contract only. Each call after "AscendCL API (C&C++)" (hiascend.com/document, CANN).
#include <acl/acl.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>

#include "native_tensor.hpp"
#include "runtime_library.hpp"

namespace edgepack::program {

namespace {

constexpr int kDevice = 0;

struct Api {
  RuntimeLibrary library{"AscendCL", {"libascendcl.so"}};  // the box's: it belongs to the driver
#define EDGEPACK_FUNCTION(name) decltype(::name)* const name = library.function<decltype(::name)>(#name)
  EDGEPACK_FUNCTION(aclInit);
  EDGEPACK_FUNCTION(aclFinalize);
  EDGEPACK_FUNCTION(aclrtSetDevice);
  EDGEPACK_FUNCTION(aclrtResetDevice);
  EDGEPACK_FUNCTION(aclrtGetRunMode);
  EDGEPACK_FUNCTION(aclrtMalloc);
  EDGEPACK_FUNCTION(aclrtFree);
  EDGEPACK_FUNCTION(aclrtMemcpy);
  EDGEPACK_FUNCTION(aclCreateDataBuffer);
  EDGEPACK_FUNCTION(aclDestroyDataBuffer);
  EDGEPACK_FUNCTION(aclmdlLoadFromFile);
  EDGEPACK_FUNCTION(aclmdlUnload);
  EDGEPACK_FUNCTION(aclmdlCreateDesc);
  EDGEPACK_FUNCTION(aclmdlDestroyDesc);
  EDGEPACK_FUNCTION(aclmdlGetDesc);
  EDGEPACK_FUNCTION(aclmdlGetNumInputs);
  EDGEPACK_FUNCTION(aclmdlGetNumOutputs);
  EDGEPACK_FUNCTION(aclmdlGetInputSizeByIndex);
  EDGEPACK_FUNCTION(aclmdlGetOutputSizeByIndex);
  EDGEPACK_FUNCTION(aclmdlGetInputDims);
  EDGEPACK_FUNCTION(aclmdlGetOutputDims);
  EDGEPACK_FUNCTION(aclmdlGetInputFormat);
  EDGEPACK_FUNCTION(aclmdlGetInputDataType);
  EDGEPACK_FUNCTION(aclmdlGetOutputDataType);
  EDGEPACK_FUNCTION(aclmdlCreateDataset);
  EDGEPACK_FUNCTION(aclmdlDestroyDataset);
  EDGEPACK_FUNCTION(aclmdlAddDatasetBuffer);
  EDGEPACK_FUNCTION(aclmdlExecute);
#undef EDGEPACK_FUNCTION
};

/// aclError: the families that the reference names, and the codes that a box without a device or with another
/// CANN gives.
std::string said(aclError code) {
  switch (code) {
    case 100003: return "the file cannot be read";
    case 100006:
    case 100012: return "it is no model of this CANN";
    case 107001: return "there is no such device";
    case 107002: return "the device has no context";
    case 207001: return "not enough memory on the device";
    case 507033: return "the device's driver does not answer";
    default: break;
  }
  if (code >= 100000 && code < 200000) return "it was called wrongly";
  if (code >= 200000 && code < 300000) return "a resource is missing";
  return "the device or its driver failed";
}

void check(aclError code, const std::string& what) {
  if (code == 0) return;
  throw ModelError("AscendCL cannot " + what + ": " + said(code) + " (" + std::to_string(code) + ")");
}

Kind kind_of(aclDataType type, const std::string& tensor) {
  switch (type) {
    case ACL_FLOAT: return Kind::float32;
    case ACL_FLOAT16: return Kind::float16;
    case ACL_INT8: return Kind::int8;
    case ACL_UINT8: return Kind::uint8;
    case ACL_INT16: return Kind::int16;
    case ACL_UINT16: return Kind::uint16;
    case ACL_INT32: return Kind::int32;
    case ACL_INT64: return Kind::int64;
    default: throw ModelError(tensor + " is of a type that is not read here (" + std::to_string(type) + ")");
  }
}

/// The process's AscendCL and its device, shared by all models: aclInit is called once a process, and what
/// aclrtResetDevice frees is everybody's.
class Device {
 public:
  explicit Device(const Api& of) : api_(of) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (users_ == 0) {
      const aclError code = api_.aclInit(nullptr);
      owned_ = code == 0;
      if (code != kRepeated) check(code, "start");  // the project's own code may have been first
    }
    const aclError code = api_.aclrtSetDevice(kDevice);
    if (code != 0 && users_ == 0 && owned_) api_.aclFinalize();
    check(code, "open the device " + std::to_string(kDevice));
    ++users_;
  }
  ~Device() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--users_ > 0) return;
    api_.aclrtResetDevice(kDevice);
    if (owned_) api_.aclFinalize();
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// aclrtSetDevice is for the thread that calls it: called again where another one computes.
  void use() {
    if (thread_ == std::this_thread::get_id()) return;
    check(api_.aclrtSetDevice(kDevice), "use the device " + std::to_string(kDevice));
    thread_ = std::this_thread::get_id();
  }

 private:
  static constexpr aclError kRepeated = 100002;  // ACL_ERROR_REPEAT_INITIALIZE
  static inline std::mutex mutex_;
  static inline int users_ = 0;
  static inline bool owned_ = false;

  const Api& api_;
  std::thread::id thread_ = std::this_thread::get_id();
};

/// A model on the device, and what is said of it.
struct Loaded {
  Loaded(const Api& of, const std::string& file) : api(of) {
    check(api.aclmdlLoadFromFile(file.c_str(), &id), "load " + file);
    description = api.aclmdlCreateDesc();
    const aclError code = description != nullptr ? api.aclmdlGetDesc(description, id) : 200000;
    if (code != 0) free();
    check(code, "describe " + file);
  }
  ~Loaded() { free(); }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  void free() {
    if (description != nullptr) api.aclmdlDestroyDesc(description);
    api.aclmdlUnload(id);
  }

  const Api& api;
  std::uint32_t id = 0;
  aclmdlDesc* description = nullptr;
};

/// The model's inputs or its outputs: memory of the device, in the order of the model's tensors.
struct Dataset {
  explicit Dataset(const Api& of) : api(of), handle(of.aclmdlCreateDataset()) {
    if (handle == nullptr) throw ModelError("AscendCL cannot allocate");
  }
  ~Dataset() {
    // A dataset leaves its buffers, and a buffer its memory.
    api.aclmdlDestroyDataset(handle);
    for (const aclDataBuffer* buffer : buffers) api.aclDestroyDataBuffer(buffer);
    for (void* memory : memories) api.aclrtFree(memory);
  }
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  void add(std::size_t size) {
    void* memory = nullptr;
    memories.reserve(memories.size() + 1);
    buffers.reserve(buffers.size() + 1);
    check(api.aclrtMalloc(&memory, size, ACL_MEM_MALLOC_NORMAL_ONLY), "allocate a tensor");
    memories.push_back(memory);
    sizes.push_back(size);
    aclDataBuffer* buffer = api.aclCreateDataBuffer(memory, size);
    if (buffer == nullptr) throw ModelError("AscendCL cannot allocate a tensor");
    buffers.push_back(buffer);
    check(api.aclmdlAddDatasetBuffer(handle, buffer), "place a tensor");
  }

  const Api& api;
  aclmdlDataset* handle;
  std::vector<void*> memories;
  std::vector<std::size_t> sizes;
  std::vector<aclDataBuffer*> buffers;
};

class AclModel : public Model {
 public:
  AclModel(const std::string& folder, const Config& config)
      : file_(folder + "/model.om"), device_(api_), model_(api_, file_), in_(api_), out_(api_) {
    aclmdlDesc* const about = model_.description;
    const std::size_t outputs = api_.aclmdlGetNumOutputs(about);
    if (api_.aclmdlGetNumInputs(about) != 1 || outputs != config.outputs.size()) {
      throw ModelError(file_ + ": has " + std::to_string(api_.aclmdlGetNumInputs(about)) + " inputs and " +
                       std::to_string(outputs) + " outputs, 1 and " + std::to_string(config.outputs.size()) +
                       " were expected");
    }
    TensorInfo input = config.input;
    const bool image = input.shape.size() == 3;
    input.channels_last = image && api_.aclmdlGetInputFormat(about, 0) == ACL_FORMAT_NHWC;
    aclmdlIODims dims{};
    check(api_.aclmdlGetInputDims(about, 0, &dims), "describe " + input.tensor);
    require_count(count(dims), input);
    natives_.emplace_back(input, kind_of(api_.aclmdlGetInputDataType(about, 0), input.tensor));
    in_.add(std::max(api_.aclmdlGetInputSizeByIndex(about, 0), natives_.back().size()));
    for (std::size_t i = 0; i < outputs; ++i) {
      // atc numbers a model's outputs in the order of the ONNX file's.
      const TensorInfo& output = config.outputs[i];
      check(api_.aclmdlGetOutputDims(about, i, &dims), "describe " + output.tensor);
      require_count(count(dims), output);
      natives_.emplace_back(output, kind_of(api_.aclmdlGetOutputDataType(about, i), output.tensor));
      out_.add(std::max(api_.aclmdlGetOutputSizeByIndex(about, i), natives_.back().size()));
    }
    // ACL_DEVICE: this program runs on the device, and all memory is the device's.
    aclrtRunMode mode = ACL_HOST;
    check(api_.aclrtGetRunMode(&mode), "ask the device");
    to_device_ = mode == ACL_HOST ? ACL_MEMCPY_HOST_TO_DEVICE : ACL_MEMCPY_DEVICE_TO_DEVICE;
    to_host_ = mode == ACL_HOST ? ACL_MEMCPY_DEVICE_TO_HOST : ACL_MEMCPY_DEVICE_TO_DEVICE;
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    NativeTensor& in = natives_.front();
    require_fits(input, in.info());
    device_.use();
    in.take(input);
    check(api_.aclrtMemcpy(in_.memories[0], in_.sizes[0], in.data(), in.size(), to_device_), "copy the input");
    check(api_.aclmdlExecute(model_.id, in_.handle, out_.handle), "compute the model");
    std::vector<Tensor> results;
    for (std::size_t i = 0; i < out_.memories.size(); ++i) {
      NativeTensor& out = natives_[i + 1];
      check(api_.aclrtMemcpy(out.data(), out.size(), out_.memories[i], out.size(), to_host_), "copy an output");
      results.push_back(out.give());
    }
    return results;
  }

 private:
  static std::size_t count(const aclmdlIODims& dims) {
    return elements(std::vector<std::int64_t>(dims.dims, dims.dims + dims.dimCount));
  }

  Api api_;
  std::string file_;
  // In this order: what was made last is freed first.
  Device device_;
  Loaded model_;
  Dataset in_, out_;
  std::vector<NativeTensor> natives_;  // the input, then the outputs
  aclrtMemcpyKind to_device_ = ACL_MEMCPY_HOST_TO_DEVICE, to_host_ = ACL_MEMCPY_DEVICE_TO_HOST;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<AclModel>(folder, config);
}

}  // namespace edgepack::program
