// NVIDIA's CUDA run-time (libcudart.so.12), declared from its published reference: what a program needs that gives a
// network memory and a stream. No text of the vendor's.
//
// [C] "CUDA Runtime API", 12: docs.nvidia.com/cuda/cuda-runtime-api, groups named beside each
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// [C] data types, enum cudaError
typedef enum cudaError {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidMemcpyDirection = 21,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorIllegalAddress = 700,
} cudaError_t;
typedef struct CUstream_st* cudaStream_t;
// [C] data types, enum cudaMemcpyKind
enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4,
};
#define cudaStreamDefault 0x00
#define cudaStreamNonBlocking 0x01

// [C] device management: cudaGetDeviceCount, cudaSetDevice; error handling: cudaGetErrorString
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
const char* cudaGetErrorString(cudaError_t error);
// [C] memory management: cudaMalloc, cudaFree (of the device, aligned to 256 bytes), cudaMallocHost, cudaFreeHost (of the
// host, not paged out)
cudaError_t cudaMalloc(void** devPtr, size_t size);
cudaError_t cudaFree(void* devPtr);
cudaError_t cudaMallocHost(void** ptr, size_t size);
cudaError_t cudaFreeHost(void* ptr);
// [C] memory management: cudaMemcpy: when it returns the copy is made, after all that streams do but non-blocking ones.
// cudaMemcpyAsync: in the order of its stream; with memory of cudaMallocHost it returns before the copy is made
// ("API synchronization behavior")
cudaError_t cudaMemcpy(void* dst, const void* src, size_t count, enum cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* dst, const void* src, size_t count, enum cudaMemcpyKind kind, cudaStream_t stream);
// [C] stream management: cudaStreamCreate, cudaStreamCreateWithFlags, cudaStreamSynchronize, cudaStreamDestroy
cudaError_t cudaStreamCreate(cudaStream_t* pStream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* pStream, unsigned int flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);

#ifdef __cplusplus
}
#endif
