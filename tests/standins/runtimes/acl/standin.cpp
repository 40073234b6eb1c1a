// Stands for libascendcl.so beside a device (ACL_HOST): the device's memory is reached through aclrtMemcpy alone.
#include "state.hpp"

STANDIN("acl")

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
  for (const Pending& one : all) one.finish();
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
  if (code == ACL_SUCCESS) one.finish();
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
