// Huawei's AscendCL (libascendcl.so), declared from its published reference: what a program needs that loads an .om
// model, asks for its tensors, runs it and takes its outputs. No text of the vendor's.
//
// [R] "AscendCL API (C&C++)", CANN 7.0 to 8.0: hiascend.com/document/detail/zh/canncommercial/800/apiref/appdevgapi,
//     one page a function or type, named beside each
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// [R] aclError: 1xxxxx is the caller's, 2xxxxx a resource, 3xxxxx the service, 5xxxxx the system
typedef int aclError;
static const int ACL_SUCCESS = 0;
static const int ACL_ERROR_INVALID_PARAM = 100000;
static const int ACL_ERROR_UNINITIALIZE = 100001;
static const int ACL_ERROR_REPEAT_INITIALIZE = 100002;
static const int ACL_ERROR_INVALID_FILE = 100003;
static const int ACL_ERROR_PARSE_FILE = 100006;
static const int ACL_ERROR_INVALID_MODEL_ID = 100011;
static const int ACL_ERROR_DESERIALIZE_MODEL = 100012;
static const int ACL_ERROR_RT_CONTEXT_NULL = 107002;
static const int ACL_ERROR_GE_PARAM_INVALID = 145000;

// [R] aclDataType
typedef enum {
  ACL_DT_UNDEFINED = -1,
  ACL_FLOAT = 0,
  ACL_FLOAT16 = 1,
  ACL_INT8 = 2,
  ACL_INT32 = 3,
  ACL_UINT8 = 4,
  ACL_INT16 = 6,
  ACL_UINT16 = 7,
  ACL_UINT32 = 8,
  ACL_INT64 = 9,
  ACL_UINT64 = 10,
  ACL_DOUBLE = 11,
  ACL_BOOL = 12,
} aclDataType;

// [R] aclFormat
typedef enum {
  ACL_FORMAT_UNDEFINED = -1,
  ACL_FORMAT_NCHW = 0,
  ACL_FORMAT_NHWC = 1,
  ACL_FORMAT_ND = 2,
  ACL_FORMAT_NC1HWC0 = 3,
} aclFormat;

// [R] aclInit, aclFinalize: once a process; configPath may be NULL
aclError aclInit(const char* configPath);
aclError aclFinalize(void);

// [R] aclrtSetDevice, aclrtResetDevice, aclrtGetDeviceCount: the device of this thread, with a context and a stream
aclError aclrtSetDevice(int32_t deviceId);
aclError aclrtResetDevice(int32_t deviceId);
aclError aclrtGetDeviceCount(uint32_t* count);
// [R] aclrtRunMode, aclrtGetRunMode: ACL_HOST: the program runs beside the device, which has memory of its own;
// ACL_DEVICE: on the device
typedef enum aclrtRunMode { ACL_DEVICE, ACL_HOST } aclrtRunMode;
aclError aclrtGetRunMode(aclrtRunMode* runMode);

// [R] aclrtMemMallocPolicy, aclrtMalloc, aclrtFree: memory of the device, not cleared; size is not 0
typedef enum aclrtMemMallocPolicy {
  ACL_MEM_MALLOC_HUGE_FIRST,
  ACL_MEM_MALLOC_HUGE_ONLY,
  ACL_MEM_MALLOC_NORMAL_ONLY,
} aclrtMemMallocPolicy;
aclError aclrtMalloc(void** devPtr, size_t size, aclrtMemMallocPolicy policy);
aclError aclrtFree(void* devPtr);
// [R] aclrtMallocHost, aclrtFreeHost: memory of the host
aclError aclrtMallocHost(void** hostPtr, size_t size);
aclError aclrtFreeHost(void* hostPtr);
// [R] aclrtMemcpyKind, aclrtMemcpy: copies at once; destMax: the room at dst, in bytes
typedef enum aclrtMemcpyKind {
  ACL_MEMCPY_HOST_TO_HOST,
  ACL_MEMCPY_HOST_TO_DEVICE,
  ACL_MEMCPY_DEVICE_TO_HOST,
  ACL_MEMCPY_DEVICE_TO_DEVICE,
} aclrtMemcpyKind;
aclError aclrtMemcpy(void* dst, size_t destMax, const void* src, size_t count, aclrtMemcpyKind kind);

// [R] aclrtCreateStream, aclrtSynchronizeStream, aclrtDestroyStream
typedef void* aclrtStream;
aclError aclrtCreateStream(aclrtStream* stream);
aclError aclrtSynchronizeStream(aclrtStream stream);
aclError aclrtDestroyStream(aclrtStream stream);

// [R] aclDataBuffer: aclCreateDataBuffer, aclDestroyDataBuffer, aclGetDataBufferAddr, aclGetDataBufferSizeV2: an address and
// a size; destroying it leaves the memory
typedef struct aclDataBuffer aclDataBuffer;
aclDataBuffer* aclCreateDataBuffer(void* data, size_t size);
aclError aclDestroyDataBuffer(const aclDataBuffer* dataBuffer);
void* aclGetDataBufferAddr(const aclDataBuffer* dataBuffer);
size_t aclGetDataBufferSizeV2(const aclDataBuffer* dataBuffer);

// [R] aclmdlLoadFromFile, aclmdlLoadFromMem, aclmdlUnload
aclError aclmdlLoadFromFile(const char* modelPath, uint32_t* modelId);
aclError aclmdlLoadFromMem(const void* model, size_t modelSize, uint32_t* modelId);
aclError aclmdlUnload(uint32_t modelId);

// [R] aclmdlIODims: dims of a shape as the model has it, with its batch
#define ACL_MAX_DIM_CNT 128
#define ACL_MAX_TENSOR_NAME_LEN 128
typedef struct aclmdlIODims {
  char name[ACL_MAX_TENSOR_NAME_LEN];
  size_t dimCount;
  int64_t dims[ACL_MAX_DIM_CNT];
} aclmdlIODims;

// [R] aclmdlDesc: aclmdlCreateDesc, aclmdlDestroyDesc, aclmdlGetDesc, and one page for each of the rest
typedef struct aclmdlDesc aclmdlDesc;
aclmdlDesc* aclmdlCreateDesc(void);
aclError aclmdlDestroyDesc(aclmdlDesc* modelDesc);
aclError aclmdlGetDesc(aclmdlDesc* modelDesc, uint32_t modelId);
size_t aclmdlGetNumInputs(aclmdlDesc* modelDesc);
size_t aclmdlGetNumOutputs(aclmdlDesc* modelDesc);
size_t aclmdlGetInputSizeByIndex(aclmdlDesc* modelDesc, size_t index);
size_t aclmdlGetOutputSizeByIndex(aclmdlDesc* modelDesc, size_t index);
aclError aclmdlGetInputDims(const aclmdlDesc* modelDesc, size_t index, aclmdlIODims* dims);
aclError aclmdlGetOutputDims(const aclmdlDesc* modelDesc, size_t index, aclmdlIODims* dims);
const char* aclmdlGetInputNameByIndex(const aclmdlDesc* modelDesc, size_t index);
const char* aclmdlGetOutputNameByIndex(const aclmdlDesc* modelDesc, size_t index);
aclFormat aclmdlGetInputFormat(const aclmdlDesc* modelDesc, size_t index);
aclFormat aclmdlGetOutputFormat(const aclmdlDesc* modelDesc, size_t index);
aclDataType aclmdlGetInputDataType(const aclmdlDesc* modelDesc, size_t index);
aclDataType aclmdlGetOutputDataType(const aclmdlDesc* modelDesc, size_t index);

// [R] aclmdlDataset: aclmdlCreateDataset, aclmdlDestroyDataset, aclmdlAddDatasetBuffer, aclmdlGetDatasetNumBuffers,
// aclmdlGetDatasetBuffer: buffers in the order of the model's tensors; destroying it leaves the buffers
typedef struct aclmdlDataset aclmdlDataset;
aclmdlDataset* aclmdlCreateDataset(void);
aclError aclmdlDestroyDataset(const aclmdlDataset* dataset);
aclError aclmdlAddDatasetBuffer(aclmdlDataset* dataset, aclDataBuffer* dataBuffer);
size_t aclmdlGetDatasetNumBuffers(const aclmdlDataset* dataset);
aclDataBuffer* aclmdlGetDatasetBuffer(const aclmdlDataset* dataset, size_t index);

// [R] aclmdlExecute: returns when the outputs are there. aclmdlExecuteAsync: they are after aclrtSynchronizeStream.
aclError aclmdlExecute(uint32_t modelId, const aclmdlDataset* input, aclmdlDataset* output);
aclError aclmdlExecuteAsync(uint32_t modelId, const aclmdlDataset* input, aclmdlDataset* output, aclrtStream stream);

#ifdef __cplusplus
}
#endif
