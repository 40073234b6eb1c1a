// Cambricon's run-time (libcnrt.so), declared from its published reference: what a program needs that gives a network memory
// and a queue. No text of the vendor's.
//
// [K] "CNRT User Guide", 5 and 6, chapters on device, memory and queue management; as the vendor's samples call it:
//     github.com/Cambricon/magicmind_cloud, buildin/cv/*/infer_cpp. The numbers of its error codes are not said there: any
//     other than 0 is an error, and a caller looks at nothing else.
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// [K] cnrtRet_t: cnrtSuccess is 0
typedef enum { cnrtSuccess = 0, cnrtErrorArgsInvalid = 1 } cnrtRet_t;
// [K] cnrtMemTransDir_t
typedef enum {
  CNRT_MEM_TRANS_DIR_HOST2DEV = 0,
  CNRT_MEM_TRANS_DIR_DEV2DEV = 1,
  CNRT_MEM_TRANS_DIR_DEV2HOST = 2,
  CNRT_MEM_TRANS_DIR_HOST2HOST = 3,
} cnrtMemTransDir_t;
typedef struct cnrtQueue* cnrtQueue_t;

// [K] cnrtGetDeviceCount, cnrtSetDevice: the device of this thread
cnrtRet_t cnrtGetDeviceCount(unsigned int* dev_num);
cnrtRet_t cnrtSetDevice(int ordinal);
// [K] cnrtMalloc, cnrtFree: memory of the device, not cleared
cnrtRet_t cnrtMalloc(void** pPtr, size_t bytes);
cnrtRet_t cnrtFree(void* ptr);
// [K] cnrtMemcpy: when it returns the copy is made; it does not wait for queues
cnrtRet_t cnrtMemcpy(void* dst, void* src, size_t bytes, cnrtMemTransDir_t dir);
// [K] cnrtQueueCreate, cnrtQueueSync, cnrtQueueDestroy
cnrtRet_t cnrtQueueCreate(cnrtQueue_t* pQueue);
cnrtRet_t cnrtQueueSync(cnrtQueue_t queue);
cnrtRet_t cnrtQueueDestroy(cnrtQueue_t queue);

#ifdef __cplusplus
}
#endif
