// Stands for libnvinfer.so.10 and libcudart.so.12. A stream is a queue: what is in it is done when somebody waits for it,
// so that who reads before has what was there before.
#include "state.hpp"

STANDIN("tensorrt")

extern "C" void* createInferRuntime_INTERNAL(void* logger, std::int32_t version) noexcept {
  const std::lock_guard held(standin::lock());
  if (logger == nullptr || version / 10000 != NV_TENSORRT_MAJOR) return nullptr;
  return static_cast<IRuntime*>(new Runtime(static_cast<ILogger*>(logger)));
}

extern "C" std::int32_t getInferLibVersion() noexcept { return NV_TENSORRT_VERSION; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    default: return "unrecognized error code";
  }
}

cudaError_t cudaMalloc(void** devPtr, size_t size) {
  const std::lock_guard held(standin::lock());
  if (devPtr == nullptr || size == 0) return cudaErrorInvalidValue;
  void* block = nullptr;
  if (posix_memalign(&block, kAligned, size) != 0) return cudaErrorMemoryAllocation;
  std::memset(block, 0xA5, size);  // it is not cleared
  *devPtr = standin::to_device(block);
  ledger().born(*devPtr, kMemory, "cudaFree", size);
  return cudaSuccess;
}

cudaError_t cudaFree(void* devPtr) {
  const std::lock_guard held(standin::lock());
  if (devPtr == nullptr) return cudaSuccess;
  wait_for_all(true);  // it waits for the device
  ledger().died(devPtr, kMemory, "cudaFree");
  std::free(standin::from_device(devPtr));
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** ptr, size_t size) {
  const std::lock_guard held(standin::lock());
  *ptr = std::malloc(size);
  ledger().born(*ptr, kPinned, "cudaFreeHost", size);
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* ptr) {
  const std::lock_guard held(standin::lock());
  if (ptr == nullptr) return cudaSuccess;
  wait_for_all(true);
  ledger().died(ptr, kPinned, "cudaFreeHost");
  std::free(ptr);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* dst, const void* src, size_t count, enum cudaMemcpyKind kind) {
  const std::lock_guard held(standin::lock());
  const cudaError_t code = copied(dst, src, count, kind, "cudaMemcpy");
  if (code != cudaSuccess) return code;
  wait_for_all(false);
  for (const void* one : {static_cast<const void*>(dst), src}) {
    if (of_device(one)) idle(one, "cudaMemcpy");
  }
  std::memcpy(standin::from_device(dst), standin::from_device(src), count);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* dst, const void* src, size_t count, enum cudaMemcpyKind kind, cudaStream_t stream) {
  const std::lock_guard held(standin::lock());
  const cudaError_t code = copied(dst, src, count, kind, "cudaMemcpyAsync");
  if (code != cudaSuccess) return code;
  if (stream != nullptr) ledger().alive(stream, kStream, "cudaMemcpyAsync");
  Stream& queue = streams()[stream];
  void* to = standin::from_device(dst);
  const void* from = standin::from_device(src);
  if (!of_device(src) && !pinned(src)) {  // memory that may be paged out is copied before the call returns
    std::vector<unsigned char> staged(static_cast<const unsigned char*>(src), static_cast<const unsigned char*>(src) + count);
    queue.tasks.push_back({[to, staged] { std::memcpy(to, staged.data(), staged.size()); }, {dst}});
  } else {
    queue.tasks.push_back({[to, from, count] { std::memcpy(to, from, count); }, {dst, src}});
  }
  if (!of_device(dst) && !pinned(dst)) wait(&queue);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* pStream, unsigned int flags) {
  const std::lock_guard held(standin::lock());
  if (pStream == nullptr || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
  *pStream = static_cast<cudaStream_t>(standin::new_handle());
  streams()[*pStream].blocking = flags == cudaStreamDefault;
  ledger().born(*pStream, kStream, "cudaStreamDestroy");
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* pStream) { return cudaStreamCreateWithFlags(pStream, cudaStreamDefault); }

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard held(standin::lock());
  if (stream != nullptr) ledger().alive(stream, kStream, "cudaStreamSynchronize");
  wait(&streams()[stream]);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard held(standin::lock());
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  ledger().died(stream, kStream, "cudaStreamDestroy");
  wait(&streams()[stream]);  // returns at once; what is in it is still done
  streams().erase(stream);
  return cudaSuccess;
}
