// Rockchip's RKNN run-time (librknnrt.so), declared from its published reference: what a program needs that loads a
// model, asks for its tensors, gives inputs, runs it and takes its outputs. No text of the vendor's.
//
// [S] rknpu2-sys 0.0.2, api.rs: docs.rs/rknpu2-sys/0.0.2/src/rknpu2_sys/api.rs.html (names, values, order of fields)
// [U] "RKNN SDK User Guide / RKNPU User Guide RKNN API" 1.7 to 2.3, chapter C API (what each call does)
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// [S] rknn_context: as wide as a pointer of the processor.
#ifdef __arm__
typedef uint32_t rknn_context;
#else
typedef uint64_t rknn_context;
#endif

// [S] constants RKNN_MAX_DIMS, RKNN_MAX_NAME_LEN
#define RKNN_MAX_DIMS 16
#define RKNN_MAX_NAME_LEN 256

// [S] constants RKNN_FLAG_*; [U] rknn_init, "flag"
#define RKNN_FLAG_PRIOR_HIGH 0x00000000
#define RKNN_FLAG_PRIOR_MEDIUM 0x00000001
#define RKNN_FLAG_PRIOR_LOW 0x00000002
#define RKNN_FLAG_ASYNC_MASK 0x00000004
#define RKNN_FLAG_COLLECT_PERF_MASK 0x00000008
#define RKNN_FLAG_MEM_ALLOC_OUTSIDE 0x00000010

// [S] constants RKNN_SUCC, RKNN_ERR_*; [U] "RKNN error codes"
#define RKNN_SUCC 0
#define RKNN_ERR_FAIL -1
#define RKNN_ERR_TIMEOUT -2
#define RKNN_ERR_DEVICE_UNAVAILABLE -3
#define RKNN_ERR_MALLOC_FAIL -4
#define RKNN_ERR_PARAM_INVALID -5
#define RKNN_ERR_MODEL_INVALID -6
#define RKNN_ERR_CTX_INVALID -7
#define RKNN_ERR_INPUT_INVALID -8
#define RKNN_ERR_OUTPUT_INVALID -9
#define RKNN_ERR_DEVICE_UNMATCH -10
#define RKNN_ERR_INCOMPATILE_PRE_COMPILE_MODEL -11
#define RKNN_ERR_INCOMPATILE_OPTIMIZATION_LEVEL_VERSION -12
#define RKNN_ERR_TARGET_PLATFORM_UNMATCH -13

// [S] enum _rknn_query_cmd
typedef enum _rknn_query_cmd {
  RKNN_QUERY_IN_OUT_NUM = 0,   // rknn_input_output_num
  RKNN_QUERY_INPUT_ATTR = 1,   // rknn_tensor_attr, its index set
  RKNN_QUERY_OUTPUT_ATTR = 2,  // the same
  RKNN_QUERY_PERF_DETAIL = 3,
  RKNN_QUERY_PERF_RUN = 4,
  RKNN_QUERY_SDK_VERSION = 5,  // rknn_sdk_version
  RKNN_QUERY_MEM_SIZE = 6,
  RKNN_QUERY_CUSTOM_STRING = 7,
  RKNN_QUERY_NATIVE_INPUT_ATTR = 8,  // rknn_tensor_attr of rknn_set_io_mem
  RKNN_QUERY_NATIVE_OUTPUT_ATTR = 9,
  RKNN_QUERY_NATIVE_NC1HWC2_INPUT_ATTR = 8,
  RKNN_QUERY_NATIVE_NC1HWC2_OUTPUT_ATTR = 9,
  RKNN_QUERY_NATIVE_NHWC_INPUT_ATTR = 10,
  RKNN_QUERY_NATIVE_NHWC_OUTPUT_ATTR = 11,
} rknn_query_cmd;

// [S] enum _rknn_tensor_type
typedef enum _rknn_tensor_type {
  RKNN_TENSOR_FLOAT32 = 0,
  RKNN_TENSOR_FLOAT16 = 1,
  RKNN_TENSOR_INT8 = 2,
  RKNN_TENSOR_UINT8 = 3,
  RKNN_TENSOR_INT16 = 4,
  RKNN_TENSOR_UINT16 = 5,
  RKNN_TENSOR_INT32 = 6,
  RKNN_TENSOR_UINT32 = 7,
  RKNN_TENSOR_INT64 = 8,
  RKNN_TENSOR_BOOL = 9,
  RKNN_TENSOR_INT4 = 10,
} rknn_tensor_type;

// [S] enum _rknn_tensor_qnt_type; [U] "affine asymmetric": real = (kept - zp) * scale; "DFP": real = kept / 2^fl
typedef enum _rknn_tensor_qnt_type {
  RKNN_TENSOR_QNT_NONE = 0,
  RKNN_TENSOR_QNT_DFP = 1,
  RKNN_TENSOR_QNT_AFFINE_ASYMMETRIC = 2,
} rknn_tensor_qnt_type;

// [S] enum _rknn_tensor_format
typedef enum _rknn_tensor_format {
  RKNN_TENSOR_NCHW = 0,
  RKNN_TENSOR_NHWC = 1,
  RKNN_TENSOR_NC1HWC2 = 2,
  RKNN_TENSOR_UNDEFINED = 3,
} rknn_tensor_format;

// [S] enum _rknn_core_mask
typedef enum _rknn_core_mask {
  RKNN_NPU_CORE_AUTO = 0,
  RKNN_NPU_CORE_0 = 1,
  RKNN_NPU_CORE_1 = 2,
  RKNN_NPU_CORE_2 = 4,
  RKNN_NPU_CORE_0_1 = 3,
  RKNN_NPU_CORE_0_1_2 = 7,
} rknn_core_mask;

// [S] struct _rknn_input_output_num
typedef struct _rknn_input_output_num {
  uint32_t n_input;
  uint32_t n_output;
} rknn_input_output_num;

// [S] struct _rknn_tensor_attr; [U] size: of all bytes; w_stride: of a line in pixels, 0 where it is the width
typedef struct _rknn_tensor_attr {
  uint32_t index;
  uint32_t n_dims;
  uint32_t dims[RKNN_MAX_DIMS];
  char name[RKNN_MAX_NAME_LEN];
  uint32_t n_elems;
  uint32_t size;
  rknn_tensor_format fmt;
  rknn_tensor_type type;
  rknn_tensor_qnt_type qnt_type;
  int8_t fl;
  int32_t zp;
  float scale;
  uint32_t w_stride;
  uint32_t size_with_stride;
  uint8_t pass_through;
  uint32_t h_stride;
} rknn_tensor_attr;

// [S] struct _rknn_sdk_version
typedef struct _rknn_sdk_version {
  char api_version[256];
  char drv_version[256];
} rknn_sdk_version;

// [S] struct _rknn_input; [U] pass_through 1: the bytes go to the model as they are; 0: they are taken to be of `type`
// and `fmt`, and are converted (to the model's own type and order, by its zp and scale)
typedef struct _rknn_input {
  uint32_t index;
  void* buf;
  uint32_t size;
  uint8_t pass_through;
  rknn_tensor_type type;
  rknn_tensor_format fmt;
} rknn_input;

// [S] struct _rknn_output; [U] want_float: float32 instead of the model's own type; is_prealloc: `buf` of `size` bytes
// is the caller's, else the run-time's, until rknn_outputs_release
typedef struct _rknn_output {
  uint8_t want_float;
  uint8_t is_prealloc;
  uint32_t index;
  void* buf;
  uint32_t size;
} rknn_output;

// [S] struct _rknn_tensor_memory
typedef struct _rknn_tensor_memory {
  void* virt_addr;
  uint64_t phys_addr;
  int32_t fd;
  int32_t offset;
  uint32_t size;
  uint32_t flags;
  void* priv_data;
} rknn_tensor_mem;

// [S] enum _rknn_mem_sync_mode
typedef enum _rknn_mem_sync_mode {
  RKNN_MEMORY_SYNC_TO_DEVICE = 1,
  RKNN_MEMORY_SYNC_FROM_DEVICE = 2,
  RKNN_MEMORY_SYNC_BIDIRECTIONAL = 3,
} rknn_mem_sync_mode;

// [S] struct _rknn_init_extend, _rknn_run_extend, _rknn_output_extend: optional, NULL here
typedef struct _rknn_init_extend rknn_init_extend;
typedef struct _rknn_run_extend rknn_run_extend;
typedef struct _rknn_output_extend rknn_output_extend;

// [S] rknn_init; [U] model: the file's bytes, size of them; or its path, with size 0. The bytes may be freed after.
int rknn_init(rknn_context* context, void* model, uint32_t size, uint32_t flag, rknn_init_extend* extend);
// [S] rknn_destroy; [U] frees the context and all that belongs to it
int rknn_destroy(rknn_context context);
// [S] rknn_query; [U] size: of the struct that `info` points to
int rknn_query(rknn_context context, rknn_query_cmd cmd, void* info, uint32_t size);
// [S] rknn_inputs_set; [U] all inputs at once, before each rknn_run; the bytes are copied
int rknn_inputs_set(rknn_context context, uint32_t n_inputs, rknn_input inputs[]);
// [S] rknn_set_core_mask; [U] RK3588 and RK3576 only
int rknn_set_core_mask(rknn_context context, rknn_core_mask core_mask);
// [S] rknn_run; [U] returns when the model was computed
int rknn_run(rknn_context context, rknn_run_extend* extend);
// [S] rknn_outputs_get, rknn_outputs_release; [U] after rknn_run; each get has its release, before the next get
int rknn_outputs_get(rknn_context context, uint32_t n_outputs, rknn_output outputs[], rknn_output_extend* extend);
int rknn_outputs_release(rknn_context context, uint32_t n_outputs, rknn_output outputs[]);

// Without copies ([U] "zero-copy API"; the only one of RV1103, RV1106 and RK2118):
// [S] rknn_create_mem, rknn_destroy_mem; [U] memory that the NPU sees, freed before its context is
rknn_tensor_mem* rknn_create_mem(rknn_context ctx, uint32_t size);
int rknn_destroy_mem(rknn_context ctx, rknn_tensor_mem* mem);
// [S] rknn_set_io_mem; [U] attr: as it was queried, with `type`, `fmt` and `pass_through` as the memory has them. An
// input's memory is size_with_stride bytes, its lines w_stride pixels apart.
int rknn_set_io_mem(rknn_context ctx, rknn_tensor_mem* mem, rknn_tensor_attr* attr);
// [S] rknn_mem_sync; [U] needed around what the processor writes and reads where its cache is not the NPU's: outputs
// before they are read. Before rknn_run the run-time does it for inputs.
int rknn_mem_sync(rknn_context context, rknn_tensor_mem* mem, rknn_mem_sync_mode mode);

#ifdef __cplusplus
}
#endif
