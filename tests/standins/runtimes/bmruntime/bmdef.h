// Sophon's run-time, its data: declared from the published reference. No text of the vendor's.
//
// [G] libsophon guide, "BMRuntime", section "C Interface", "Tensor information" and "bmrt_get_network_info"
// [H] github.com/sophgo/libsophon, tpu-runtime/include/bmdef.h: what was appended since (order of fields, values)
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bmlib_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// [G] bm_data_type_t; [H] values 8 to 10
typedef enum bm_data_type_e {
  BM_FLOAT32 = 0,
  BM_FLOAT16 = 1,
  BM_INT8 = 2,
  BM_UINT8 = 3,
  BM_INT16 = 4,
  BM_UINT16 = 5,
  BM_INT32 = 6,
  BM_UINT32 = 7,
  BM_BFLOAT16 = 8,
  BM_INT4 = 9,
  BM_UINT4 = 10,
} bm_data_type_t;

// [G] bm_store_mode_t: BM_STORE_1N is the usual order {N, C, H, W}
typedef enum bm_store_mode_e {
  BM_STORE_1N = 0,
  BM_STORE_2N = 1,
  BM_STORE_4N = 2,
} bm_store_mode_t;

// [G] bm_shape_t
#define BM_MAX_DIMS_NUM 8
typedef struct bm_shape_s {
  int num_dims;
  int dims[BM_MAX_DIMS_NUM];
} bm_shape_t;

// [G] bm_tensor_t
typedef struct bm_tensor_s {
  bm_data_type_t dtype;
  bm_shape_t shape;
  bm_device_mem_t device_mem;
  bm_store_mode_t st_mode;
} bm_tensor_t;

// [G] bm_stage_info_t; [H] input_mems, output_mems
typedef struct bm_stage_info_s {
  bm_shape_t* input_shapes;
  bm_shape_t* output_shapes;
  bm_device_mem_t* input_mems;
  bm_device_mem_t* output_mems;
} bm_stage_info_t;

// [G] bm_net_info_t; [H] from input_zero_point on. Scales: 1 for floats; kept = real * input_scale + zero point,
// real = (kept - zero point) * output_scale (sophon-sail and sophon-demo, "input_scale", "output_scale")
typedef struct bm_net_info_s {
  const char* name;
  bool is_dynamic;
  int input_num;
  char const** input_names;
  bm_data_type_t* input_dtypes;
  float* input_scales;
  int output_num;
  char const** output_names;
  bm_data_type_t* output_dtypes;
  float* output_scales;
  int stage_num;
  bm_stage_info_t* stages;
  size_t* max_input_bytes;
  size_t* max_output_bytes;
  int* input_zero_point;
  int* output_zero_point;
  int* input_loc_devices;
  int* output_loc_devices;
  int core_num;
  int32_t addr_mode;
} bm_net_info_t;

#ifdef __cplusplus
}
#endif
