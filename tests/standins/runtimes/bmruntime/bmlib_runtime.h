// Sophon's device library (libbmlib.so), declared from its published reference: what a program needs that runs a model.
// No text of the vendor's.
//
// [G] libsophon guide, "BMRuntime", section "BMLIB Interface": github.com/sophgo/libsophon, tpu-runtime/docs
// [D] BMLIB guide, "related data structures": bm_status_t, bm_mem_desc_t (same repository, bmlib/docs)
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// [D] bm_status_t
typedef enum {
  BM_SUCCESS = 0,
  BM_ERR_DEVNOTREADY = 1,
  BM_ERR_FAILURE = 2,
  BM_ERR_TIMEOUT = 3,
  BM_ERR_PARAM = 4,
  BM_ERR_NOMEM = 5,
  BM_ERR_DATA = 6,
  BM_ERR_BUSY = 7,
  BM_ERR_NOFEATURE = 8,
  BM_NOT_SUPPORTED = 9,
} bm_status_t;

// [D] bm_mem_type_t
typedef enum {
  BM_MEM_TYPE_DEVICE = 0,
  BM_MEM_TYPE_HOST = 1,
  BM_MEM_TYPE_SYSTEM = 2,
  BM_MEM_TYPE_INT8_DEVICE = 3,
  BM_MEM_TYPE_INVALID = 4,
} bm_mem_type_t;

// [D] bm_mem_flags_t
typedef union {
  struct {
    bm_mem_type_t mem_type : 3;
    unsigned int gmem_heapid : 3;
    unsigned int reserved : 26;
  } u;
  unsigned int rawflags;
} bm_mem_flags_t;

// [D] bm_mem_desc_t: passed by value; an address of the device, not one that the processor may follow
typedef struct bm_mem_desc {
  union {
    struct {
      unsigned long device_addr;
      unsigned int reserved;
      int dmabuf_fd;
    } device;
    struct {
      void* system_addr;
      unsigned int reserved0;
      int reserved1;
    } system;
  } u;
  bm_mem_flags_t flags;
  unsigned int size;
} bm_mem_desc_t;
typedef struct bm_mem_desc bm_device_mem_t;

// [G] bm_dev_request, bm_dev_free: devid 0 on a SoC
typedef struct bm_context* bm_handle_t;
bm_status_t bm_dev_request(bm_handle_t* handle, int devid);
void bm_dev_free(bm_handle_t handle);
// [G] bm_malloc_device_byte, bm_free_device, bm_mem_get_device_size: in bytes; what was asked for is freed
bm_status_t bm_malloc_device_byte(bm_handle_t handle, bm_device_mem_t* pmem, unsigned int size);
void bm_free_device(bm_handle_t handle, bm_device_mem_t mem);
unsigned int bm_mem_get_device_size(bm_device_mem_t mem);
// [G] bm_memcpy_s2d, bm_memcpy_d2s and their partial forms: system to device and back; the whole of the device's
// memory, or size bytes of it from its start, or from offset on
bm_status_t bm_memcpy_s2d(bm_handle_t handle, bm_device_mem_t dst, void* src);
bm_status_t bm_memcpy_s2d_partial(bm_handle_t handle, bm_device_mem_t dst, void* src, unsigned int size);
bm_status_t bm_memcpy_s2d_partial_offset(bm_handle_t handle, bm_device_mem_t dst, void* src, unsigned int size,
                                         unsigned int offset);
bm_status_t bm_memcpy_d2s(bm_handle_t handle, void* dst, bm_device_mem_t src);
bm_status_t bm_memcpy_d2s_partial(bm_handle_t handle, void* dst, bm_device_mem_t src, unsigned int size);
bm_status_t bm_memcpy_d2s_partial_offset(bm_handle_t handle, void* dst, bm_device_mem_t src, unsigned int size,
                                         unsigned int offset);
// [G] bm_thread_sync: waits for what was launched
bm_status_t bm_thread_sync(bm_handle_t handle);

#ifdef __cplusplus
}
#endif
