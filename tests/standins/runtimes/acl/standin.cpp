// Stands for libascendcl.so beside a device (ACL_HOST): the device's memory is reached through aclrtMemcpy alone.
#pragma GCC visibility push(default)
#include "acl/acl.h"
#pragma GCC visibility pop

#include <cstdlib>
#include <cstring>

#include "standin.hpp"

using standin::complain;
using standin::fault;
using standin::ledger;
using standin::Tensor;
using standin::Type;

struct aclDataBuffer {
  void* data;
  std::size_t size;
};
struct aclmdlDataset {
  std::vector<aclDataBuffer*> buffers;
};
struct aclmdlDesc {
  std::shared_ptr<standin::Model> model;
};

namespace {

constexpr const char* kDeviceMemory = "aclrtMalloc'ed memory";
constexpr const char* kHostMemory = "aclrtMallocHost'ed memory";
constexpr const char* kBuffer = "aclDataBuffer";
constexpr const char* kDataset = "aclmdlDataset";
constexpr const char* kDesc = "aclmdlDesc";
constexpr const char* kStream = "aclrtStream";
constexpr const char* kModel = "loaded model";
constexpr const char* kProcess = "aclInit";
constexpr const char* kDevice = "aclrtSetDevice";
constexpr std::uint32_t kFirst = 1;

struct Pending {
  std::shared_ptr<standin::Model> model;
  std::vector<const void*> in;
  std::vector<void*> out;
};

struct State {
  bool begun = false, ended = false, device = false;
  std::vector<std::shared_ptr<standin::Model>> models;  // ids are never given out twice
  std::vector<std::unique_ptr<char>> ids;
  std::map<aclrtStream, std::vector<Pending>> streams;
};

State& state() {
  static auto* one = new State;
  return *one;
}

aclError refused(aclError code, const std::string& why) {
  complain(why);
  return code;
}

aclError ready(const std::string& call) {
  if (!state().begun) return refused(ACL_ERROR_UNINITIALIZE, call + ": before aclInit");
  if (!state().device) return refused(ACL_ERROR_RT_CONTEXT_NULL, call + ": before aclrtSetDevice");
  return ACL_SUCCESS;
}

/// What nobody may touch before its stream was waited for.
void idle(const void* at, const std::string& call) {
  for (const auto& [stream, all] : state().streams) {
    for (const Pending& one : all) {
      for (const void* in : one.in) {
        if (in == at) fault(call + ": an execution that reads this memory was not waited for (aclrtSynchronizeStream)");
      }
      for (const void* out : one.out) {
        if (out == at) fault(call + ": an execution that writes this memory was not waited for (aclrtSynchronizeStream)");
      }
    }
  }
}

bool of_device(const void* at) { return standin::from_device(at) != at; }

aclDataType named(Type type) {
  switch (type) {
    case Type::f32: return ACL_FLOAT;
    case Type::f16: return ACL_FLOAT16;
    case Type::i8: return ACL_INT8;
    case Type::u8: return ACL_UINT8;
    case Type::i16: return ACL_INT16;
    case Type::u16: return ACL_UINT16;
    case Type::i32: return ACL_INT32;
    case Type::u32: return ACL_UINT32;
    case Type::i64: return ACL_INT64;
    default: return ACL_BOOL;
  }
}

std::shared_ptr<standin::Model> model_of(std::uint32_t id, const std::string& call) {
  const std::size_t at = id - kFirst;
  if (id < kFirst || at >= state().models.size()) return nullptr;
  if (!state().models[at]) fault(call + ": this model was unloaded before (use after free)");
  return state().models[at];
}

const Tensor* tensor_of(const aclmdlDesc* desc, std::size_t index, bool output, const std::string& call) {
  ledger().alive(desc, kDesc, call);
  if (!desc->model) fault(call + ": the aclmdlDesc is empty (aclmdlGetDesc)");
  const std::vector<Tensor>& tensors = output ? desc->model->outputs : desc->model->inputs;
  if (index >= tensors.size()) complain(call + ": no tensor of that index");
  return index < tensors.size() ? &tensors[index] : nullptr;
}

aclError dims_of(const aclmdlDesc* desc, std::size_t index, bool output, aclmdlIODims* dims, const std::string& call) {
  const std::lock_guard held(standin::lock());
  const Tensor* tensor = tensor_of(desc, index, output, call);
  if (tensor == nullptr || dims == nullptr) return ACL_ERROR_INVALID_PARAM;
  const std::vector<int> laid = tensor->laid();
  std::memset(dims, 0, sizeof *dims);
  std::strncpy(dims->name, tensor->name.c_str(), ACL_MAX_TENSOR_NAME_LEN - 1);
  dims->dimCount = laid.size();
  for (std::size_t i = 0; i < laid.size(); ++i) dims->dims[i] = laid[i];
  return ACL_SUCCESS;
}

aclError load(const void* bytes, std::size_t size, std::uint32_t* id, const std::string& call) {
  const aclError state_code = ready(call);
  if (state_code != ACL_SUCCESS) return state_code;
  if (id == nullptr) return refused(ACL_ERROR_INVALID_PARAM, call + ": NULL");
  std::string why;
  std::shared_ptr<standin::Model> model = standin::Model::read(bytes, size, "IMOD", &why);
  if (!model) return refused(ACL_ERROR_PARSE_FILE, call + ": not an .om model: " + why);
  state().models.push_back(model);
  state().ids.emplace_back(new char);
  ledger().born(state().ids.back().get(), kModel, "aclmdlUnload");
  *id = static_cast<std::uint32_t>(state().models.size() - 1) + kFirst;
  return ACL_SUCCESS;
}

/// The memory of a dataset's buffers, each large enough for its tensor and of the device.
aclError gather(const std::vector<Tensor>& tensors, const aclmdlDataset* dataset, std::vector<void*>* into,
                const std::string& call) {
  ledger().alive(dataset, kDataset, call);
  if (dataset->buffers.size() != tensors.size()) {
    return refused(ACL_ERROR_GE_PARAM_INVALID, call + ": " + std::to_string(dataset->buffers.size()) +
                                                   " buffers in a dataset, the model has " + std::to_string(tensors.size()));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    ledger().alive(dataset->buffers[i], kBuffer, call);
    const aclDataBuffer& buffer = *dataset->buffers[i];
    if (!of_device(buffer.data)) fault(call + ": the buffer of " + tensors[i].name + " is not memory of the device");
    if (buffer.size > ledger().room(buffer.data, kDeviceMemory, call)) {
      fault(call + ": the buffer of " + tensors[i].name + " says that it is larger than its memory");
    }
    if (buffer.size < tensors[i].size()) {
      return refused(ACL_ERROR_GE_PARAM_INVALID, call + ": the buffer of " + tensors[i].name + " has " +
                                                     std::to_string(buffer.size) + " bytes, needed " +
                                                     std::to_string(tensors[i].size()));
    }
    idle(buffer.data, call);
    into->push_back(buffer.data);
  }
  return ACL_SUCCESS;
}

void finish(const Pending& one) {
  std::vector<const void*> in;
  std::vector<void*> out;
  for (const void* at : one.in) in.push_back(standin::from_device(at));
  for (void* at : one.out) out.push_back(standin::from_device(at));
  one.model->run(in, out);
}

aclError gathered(std::uint32_t id, const aclmdlDataset* input, aclmdlDataset* output, Pending* one, const std::string& call) {
  aclError code = ready(call);
  if (code != ACL_SUCCESS) return code;
  one->model = model_of(id, call);
  if (!one->model) return refused(ACL_ERROR_INVALID_MODEL_ID, call + ": there is no such model");
  std::vector<void*> in;
  code = gather(one->model->inputs, input, &in, call);
  if (code == ACL_SUCCESS) code = gather(one->model->outputs, output, &one->out, call);
  one->in.assign(in.begin(), in.end());
  return code;
}

}  // namespace

aclError aclInit(const char*) {
  const std::lock_guard held(standin::lock());
  if (state().begun || state().ended) return refused(ACL_ERROR_REPEAT_INITIALIZE, "aclInit: a second time");
  state().begun = true;
  ledger().born(&state().begun, kProcess, "aclFinalize");
  return ACL_SUCCESS;
}

aclError aclFinalize(void) {
  const std::lock_guard held(standin::lock());
  if (!state().begun) return refused(ACL_ERROR_UNINITIALIZE, "aclFinalize: before aclInit");
  if (state().device) fault("aclFinalize: before aclrtResetDevice");
  ledger().died(&state().begun, kProcess, "aclFinalize");
  state().begun = false;
  state().ended = true;
  return ACL_SUCCESS;
}

aclError aclrtSetDevice(int32_t deviceId) {
  const std::lock_guard held(standin::lock());
  if (!state().begun) return refused(ACL_ERROR_UNINITIALIZE, "aclrtSetDevice: before aclInit");
  if (deviceId != 0) return refused(ACL_ERROR_INVALID_PARAM, "aclrtSetDevice: there is no such device");
  if (!state().device) ledger().born(&state().device, kDevice, "aclrtResetDevice");
  state().device = true;
  return ACL_SUCCESS;
}

aclError aclrtResetDevice(int32_t deviceId) {
  const std::lock_guard held(standin::lock());
  if (deviceId != 0 || !state().device) return refused(ACL_ERROR_INVALID_PARAM, "aclrtResetDevice: of no device that was set");
  for (const auto& [kind, free] : {std::pair{kModel, "aclmdlUnload"}, {kDeviceMemory, "aclrtFree"}, {kStream, "aclrtDestroyStream"}}) {
    if (ledger().living(kind) != 0) fault(std::string("aclrtResetDevice: ") + kind + " without " + free);
  }
  ledger().died(&state().device, kDevice, "aclrtResetDevice");
  state().device = false;
  return ACL_SUCCESS;
}

aclError aclrtGetDeviceCount(uint32_t* count) {
  if (count == nullptr) return ACL_ERROR_INVALID_PARAM;
  *count = 1;
  return ACL_SUCCESS;
}

aclError aclrtGetRunMode(aclrtRunMode* runMode) {
  if (runMode == nullptr) return ACL_ERROR_INVALID_PARAM;
  *runMode = ACL_HOST;
  return ACL_SUCCESS;
}

aclError aclrtMalloc(void** devPtr, size_t size, aclrtMemMallocPolicy) {
  const std::lock_guard held(standin::lock());
  const aclError code = ready("aclrtMalloc");
  if (code != ACL_SUCCESS) return code;
  if (devPtr == nullptr || size == 0) return refused(ACL_ERROR_INVALID_PARAM, "aclrtMalloc: NULL, or of size 0");
  void* block = nullptr;
  if (posix_memalign(&block, 64, size) != 0) std::abort();
  std::memset(block, 0xA5, size);  // it is not cleared
  *devPtr = standin::to_device(block);
  ledger().born(*devPtr, kDeviceMemory, "aclrtFree", size);
  return ACL_SUCCESS;
}

aclError aclrtFree(void* devPtr) {
  const std::lock_guard held(standin::lock());
  idle(devPtr, "aclrtFree");
  ledger().died(devPtr, kDeviceMemory, "aclrtFree");
  std::free(standin::from_device(devPtr));
  return ACL_SUCCESS;
}

aclError aclrtMallocHost(void** hostPtr, size_t size) {
  const std::lock_guard held(standin::lock());
  const aclError code = ready("aclrtMallocHost");
  if (code != ACL_SUCCESS) return code;
  if (hostPtr == nullptr || size == 0) return refused(ACL_ERROR_INVALID_PARAM, "aclrtMallocHost: NULL, or of size 0");
  *hostPtr = std::malloc(size);
  ledger().born(*hostPtr, kHostMemory, "aclrtFreeHost", size);
  return ACL_SUCCESS;
}

aclError aclrtFreeHost(void* hostPtr) {
  const std::lock_guard held(standin::lock());
  ledger().died(hostPtr, kHostMemory, "aclrtFreeHost");
  std::free(hostPtr);
  return ACL_SUCCESS;
}

aclError aclrtMemcpy(void* dst, size_t destMax, const void* src, size_t count, aclrtMemcpyKind kind) {
  const std::lock_guard held(standin::lock());
  const std::string call = "aclrtMemcpy";
  const aclError code = ready(call);
  if (code != ACL_SUCCESS) return code;
  const bool to = kind == ACL_MEMCPY_HOST_TO_DEVICE || kind == ACL_MEMCPY_DEVICE_TO_DEVICE;
  const bool from = kind == ACL_MEMCPY_DEVICE_TO_HOST || kind == ACL_MEMCPY_DEVICE_TO_DEVICE;
  if (of_device(dst) != to || of_device(src) != from) {
    return refused(ACL_ERROR_INVALID_PARAM, call + ": kind says otherwise where the memories are");
  }
  if (count > destMax) return refused(ACL_ERROR_INVALID_PARAM, call + ": count is more than destMax");
  if (to) {
    if (destMax > ledger().room(dst, kDeviceMemory, call)) fault(call + ": destMax is more than the memory of the device");
    idle(dst, call);
  }
  if (from) {
    if (count > ledger().room(src, kDeviceMemory, call)) fault(call + ": count is more than the memory of the device");
    idle(src, call);
  }
  std::memcpy(standin::from_device(dst), standin::from_device(src), count);
  return ACL_SUCCESS;
}

aclError aclrtCreateStream(aclrtStream* stream) {
  const std::lock_guard held(standin::lock());
  const aclError code = ready("aclrtCreateStream");
  if (code != ACL_SUCCESS) return code;
  *stream = standin::new_handle();
  state().streams[*stream] = {};
  ledger().born(*stream, kStream, "aclrtDestroyStream");
  return ACL_SUCCESS;
}

aclError aclrtSynchronizeStream(aclrtStream stream) {
  const std::lock_guard held(standin::lock());
  ledger().alive(stream, kStream, "aclrtSynchronizeStream");
  std::vector<Pending> all;
  std::swap(all, state().streams[stream]);
  for (const Pending& one : all) finish(one);
  return ACL_SUCCESS;
}

aclError aclrtDestroyStream(aclrtStream stream) {
  const std::lock_guard held(standin::lock());
  ledger().died(stream, kStream, "aclrtDestroyStream");
  if (!state().streams[stream].empty()) fault("aclrtDestroyStream: what it executes was not waited for");
  state().streams.erase(stream);
  return ACL_SUCCESS;
}

aclDataBuffer* aclCreateDataBuffer(void* data, size_t size) {
  const std::lock_guard held(standin::lock());
  auto* buffer = new aclDataBuffer{data, size};
  ledger().born(buffer, kBuffer, "aclDestroyDataBuffer");
  return buffer;
}

aclError aclDestroyDataBuffer(const aclDataBuffer* dataBuffer) {
  const std::lock_guard held(standin::lock());
  ledger().died(dataBuffer, kBuffer, "aclDestroyDataBuffer");
  delete dataBuffer;
  return ACL_SUCCESS;
}

void* aclGetDataBufferAddr(const aclDataBuffer* dataBuffer) {
  const std::lock_guard held(standin::lock());
  ledger().alive(dataBuffer, kBuffer, "aclGetDataBufferAddr");
  return dataBuffer->data;
}

size_t aclGetDataBufferSizeV2(const aclDataBuffer* dataBuffer) {
  const std::lock_guard held(standin::lock());
  ledger().alive(dataBuffer, kBuffer, "aclGetDataBufferSizeV2");
  return dataBuffer->size;
}

aclError aclmdlLoadFromFile(const char* modelPath, uint32_t* modelId) {
  const std::lock_guard held(standin::lock());
  std::vector<unsigned char> bytes;
  if (modelPath == nullptr || !standin::read_file(modelPath, &bytes)) {
    return refused(ACL_ERROR_INVALID_FILE, "aclmdlLoadFromFile: no such file");
  }
  return load(bytes.data(), bytes.size(), modelId, "aclmdlLoadFromFile");
}

aclError aclmdlLoadFromMem(const void* model, size_t modelSize, uint32_t* modelId) {
  const std::lock_guard held(standin::lock());
  if (model == nullptr) return refused(ACL_ERROR_INVALID_PARAM, "aclmdlLoadFromMem: NULL");
  return load(model, modelSize, modelId, "aclmdlLoadFromMem");
}

aclError aclmdlUnload(uint32_t modelId) {
  const std::lock_guard held(standin::lock());
  if (!model_of(modelId, "aclmdlUnload")) return refused(ACL_ERROR_INVALID_MODEL_ID, "aclmdlUnload: there is no such model");
  ledger().died(state().ids[modelId - kFirst].get(), kModel, "aclmdlUnload");
  state().models[modelId - kFirst] = nullptr;
  return ACL_SUCCESS;
}

aclmdlDesc* aclmdlCreateDesc(void) {
  const std::lock_guard held(standin::lock());
  auto* desc = new aclmdlDesc;
  ledger().born(desc, kDesc, "aclmdlDestroyDesc");
  return desc;
}

aclError aclmdlDestroyDesc(aclmdlDesc* modelDesc) {
  const std::lock_guard held(standin::lock());
  ledger().died(modelDesc, kDesc, "aclmdlDestroyDesc");
  delete modelDesc;
  return ACL_SUCCESS;
}

aclError aclmdlGetDesc(aclmdlDesc* modelDesc, uint32_t modelId) {
  const std::lock_guard held(standin::lock());
  ledger().alive(modelDesc, kDesc, "aclmdlGetDesc");
  modelDesc->model = model_of(modelId, "aclmdlGetDesc");
  if (!modelDesc->model) return refused(ACL_ERROR_INVALID_MODEL_ID, "aclmdlGetDesc: there is no such model");
  return ACL_SUCCESS;
}

size_t aclmdlGetNumInputs(aclmdlDesc* modelDesc) {
  tensor_of(modelDesc, 0, false, "aclmdlGetNumInputs");
  return modelDesc->model->inputs.size();
}

size_t aclmdlGetNumOutputs(aclmdlDesc* modelDesc) {
  tensor_of(modelDesc, 0, true, "aclmdlGetNumOutputs");
  return modelDesc->model->outputs.size();
}

size_t aclmdlGetInputSizeByIndex(aclmdlDesc* modelDesc, size_t index) {
  const Tensor* tensor = tensor_of(modelDesc, index, false, "aclmdlGetInputSizeByIndex");
  return tensor != nullptr ? tensor->size() : 0;
}

size_t aclmdlGetOutputSizeByIndex(aclmdlDesc* modelDesc, size_t index) {
  const Tensor* tensor = tensor_of(modelDesc, index, true, "aclmdlGetOutputSizeByIndex");
  return tensor != nullptr ? tensor->size() : 0;
}

aclError aclmdlGetInputDims(const aclmdlDesc* modelDesc, size_t index, aclmdlIODims* dims) {
  return dims_of(modelDesc, index, false, dims, "aclmdlGetInputDims");
}

aclError aclmdlGetOutputDims(const aclmdlDesc* modelDesc, size_t index, aclmdlIODims* dims) {
  return dims_of(modelDesc, index, true, dims, "aclmdlGetOutputDims");
}

const char* aclmdlGetInputNameByIndex(const aclmdlDesc* modelDesc, size_t index) {
  const Tensor* tensor = tensor_of(modelDesc, index, false, "aclmdlGetInputNameByIndex");
  return tensor != nullptr ? tensor->name.c_str() : "";
}

const char* aclmdlGetOutputNameByIndex(const aclmdlDesc* modelDesc, size_t index) {
  const Tensor* tensor = tensor_of(modelDesc, index, true, "aclmdlGetOutputNameByIndex");
  return tensor != nullptr ? tensor->name.c_str() : "";
}

namespace {
aclFormat format_of(const Tensor* tensor) {
  if (tensor == nullptr) return ACL_FORMAT_UNDEFINED;
  if (tensor->shape.size() != 4) return ACL_FORMAT_ND;
  return tensor->layout == standin::Layout::nhwc ? ACL_FORMAT_NHWC : ACL_FORMAT_NCHW;
}
}  // namespace

aclFormat aclmdlGetInputFormat(const aclmdlDesc* modelDesc, size_t index) {
  return format_of(tensor_of(modelDesc, index, false, "aclmdlGetInputFormat"));
}

aclFormat aclmdlGetOutputFormat(const aclmdlDesc* modelDesc, size_t index) {
  return format_of(tensor_of(modelDesc, index, true, "aclmdlGetOutputFormat"));
}

aclDataType aclmdlGetInputDataType(const aclmdlDesc* modelDesc, size_t index) {
  const Tensor* tensor = tensor_of(modelDesc, index, false, "aclmdlGetInputDataType");
  return tensor != nullptr ? named(tensor->type) : ACL_DT_UNDEFINED;
}

aclDataType aclmdlGetOutputDataType(const aclmdlDesc* modelDesc, size_t index) {
  const Tensor* tensor = tensor_of(modelDesc, index, true, "aclmdlGetOutputDataType");
  return tensor != nullptr ? named(tensor->type) : ACL_DT_UNDEFINED;
}

aclmdlDataset* aclmdlCreateDataset(void) {
  const std::lock_guard held(standin::lock());
  auto* dataset = new aclmdlDataset;
  ledger().born(dataset, kDataset, "aclmdlDestroyDataset");
  return dataset;
}

aclError aclmdlDestroyDataset(const aclmdlDataset* dataset) {
  const std::lock_guard held(standin::lock());
  ledger().died(dataset, kDataset, "aclmdlDestroyDataset");
  delete dataset;
  return ACL_SUCCESS;
}

aclError aclmdlAddDatasetBuffer(aclmdlDataset* dataset, aclDataBuffer* dataBuffer) {
  const std::lock_guard held(standin::lock());
  ledger().alive(dataset, kDataset, "aclmdlAddDatasetBuffer");
  ledger().alive(dataBuffer, kBuffer, "aclmdlAddDatasetBuffer");
  dataset->buffers.push_back(dataBuffer);
  return ACL_SUCCESS;
}

size_t aclmdlGetDatasetNumBuffers(const aclmdlDataset* dataset) {
  const std::lock_guard held(standin::lock());
  ledger().alive(dataset, kDataset, "aclmdlGetDatasetNumBuffers");
  return dataset->buffers.size();
}

aclDataBuffer* aclmdlGetDatasetBuffer(const aclmdlDataset* dataset, size_t index) {
  const std::lock_guard held(standin::lock());
  ledger().alive(dataset, kDataset, "aclmdlGetDatasetBuffer");
  return index < dataset->buffers.size() ? dataset->buffers[index] : nullptr;
}

aclError aclmdlExecute(uint32_t modelId, const aclmdlDataset* input, aclmdlDataset* output) {
  const std::lock_guard held(standin::lock());
  Pending one;
  const aclError code = gathered(modelId, input, output, &one, "aclmdlExecute");
  if (code == ACL_SUCCESS) finish(one);
  return code;
}

aclError aclmdlExecuteAsync(uint32_t modelId, const aclmdlDataset* input, aclmdlDataset* output, aclrtStream stream) {
  const std::lock_guard held(standin::lock());
  ledger().alive(stream, kStream, "aclmdlExecuteAsync");
  Pending one;
  const aclError code = gathered(modelId, input, output, &one, "aclmdlExecuteAsync");
  if (code == ACL_SUCCESS) state().streams[stream].push_back(one);
  return code;
}
