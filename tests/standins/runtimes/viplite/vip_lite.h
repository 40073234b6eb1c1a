// VeriSilicon's VIPLite (libVIPlite.so, libVIPuser.so), declared from its published reference: what a program needs that
// loads a network binary (NBG), asks for its tensors, runs it and takes its outputs. No text of the vendor's.
//
// [V] VIPLite API 1.x, reference in vip_lite.h and vip_lite_common.h, groups "global", "buffer" and "network": as it is in
//     the packages of boards with such an NPU (Allwinner V853 and T527, Amlogic A311D)
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// [V] global: data types
typedef uint8_t vip_uint8_t;
typedef uint32_t vip_uint32_t;
typedef int32_t vip_int32_t;
typedef float vip_float_t;
typedef char vip_char_t;
typedef int32_t vip_enum;
#define VIP_NULL 0

// [V] global: vip_status_e
typedef enum _vip_status {
  VIP_ERROR_FAILURE = -11,
  VIP_ERROR_NETWORK_INCOMPATIBLE = -10,
  VIP_ERROR_NETWORK_NOT_PREPARED = -9,
  VIP_ERROR_MISSING_INPUT_OUTPUT = -8,
  VIP_ERROR_INVALID_NETWORK = -7,
  VIP_ERROR_OUT_OF_MEMORY = -6,
  VIP_ERROR_OUT_OF_RESOURCE = -5,
  VIP_ERROR_NOT_SUPPORTED = -4,
  VIP_ERROR_INVALID_ARGUMENTS = -3,
  VIP_ERROR_IO = -2,
  VIP_ERROR_TIMEOUT = -1,
  VIP_SUCCESS = 0,
} vip_status_e;

// [V] buffer: vip_buffer_format_e
typedef enum _vip_buffer_format_e {
  VIP_BUFFER_FORMAT_FP32 = 0,
  VIP_BUFFER_FORMAT_FP16 = 1,
  VIP_BUFFER_FORMAT_UINT8 = 2,
  VIP_BUFFER_FORMAT_INT8 = 3,
  VIP_BUFFER_FORMAT_UINT16 = 4,
  VIP_BUFFER_FORMAT_INT16 = 5,
  VIP_BUFFER_FORMAT_CHAR = 6,
  VIP_BUFFER_FORMAT_BFP16 = 7,
  VIP_BUFFER_FORMAT_INT32 = 8,
  VIP_BUFFER_FORMAT_UINT32 = 9,
  VIP_BUFFER_FORMAT_INT64 = 10,
  VIP_BUFFER_FORMAT_UINT64 = 11,
  VIP_BUFFER_FORMAT_FP64 = 12,
} vip_buffer_format_e;

// [V] buffer: vip_buffer_quantize_format_e. Dynamic fixed point: real = kept / 2^fixed_point_pos;
// TF_ASYMM: real = (kept - zeroPoint) * scale
typedef enum _vip_buffer_quantize_format_e {
  VIP_BUFFER_QUANTIZE_NONE = 0,
  VIP_BUFFER_QUANTIZE_DYNAMIC_FIXED_POINT = 1,
  VIP_BUFFER_QUANTIZE_TF_ASYMM = 2,
} vip_buffer_quantize_format_e;

// [V] buffer: vip_buffer_memory_type_e
typedef enum _vip_buffer_memory_type_e {
  VIP_BUFFER_MEMORY_TYPE_DEFAULT = 0x000,
  VIP_BUFFER_MEMORY_TYPE_HOST = 0x001,
  VIP_BUFFER_MEMORY_TYPE_DMA_BUF = 0x003,
} vip_buffer_memory_type_e;

// [V] network: vip_create_network_type_e
typedef enum _vip_create_network_type_e {
  VIP_CREATE_NETWORK_FROM_NONE = 0x00,
  VIP_CREATE_NETWORK_FROM_FILE = 0x01,
  VIP_CREATE_NETWORK_FROM_MEMORY = 0x02,
  VIP_CREATE_NETWORK_FROM_FLASH = 0x04,
} vip_create_network_type_e;

// [V] network: vip_network_property_e; the first three are vip_uint32_t, the name is vip_char_t[64]
typedef enum _vip_network_property_e {
  VIP_NETWORK_PROP_LAYER_COUNT = 0,
  VIP_NETWORK_PROP_INPUT_COUNT = 1,
  VIP_NETWORK_PROP_OUTPUT_COUNT = 2,
  VIP_NETWORK_PROP_NETWORK_NAME = 3,
} vip_network_property_e;

// [V] buffer: vip_buffer_property_e, with the type of each answer
typedef enum _vip_buffer_property_e {
  VIP_BUFFER_PROP_QUANT_FORMAT = 0,        // vip_buffer_quantize_format_e
  VIP_BUFFER_PROP_NUM_OF_DIMENSION = 1,    // vip_uint32_t
  VIP_BUFFER_PROP_SIZES_OF_DIMENSION = 2,  // vip_uint32_t[number]: width first, then height, channels, batch
  VIP_BUFFER_PROP_DATA_FORMAT = 3,         // vip_buffer_format_e
  VIP_BUFFER_PROP_FIXED_POINT_POS = 4,     // vip_uint8_t
  VIP_BUFFER_PROP_TF_SCALE = 5,            // vip_float_t
  VIP_BUFFER_PROP_TF_ZERO_POINT = 6,       // vip_uint32_t
  VIP_BUFFER_PROP_NAME = 7,                // vip_char_t[64]
} vip_buffer_property_e;

// [V] buffer: vip_buffer_operation_type_e
typedef enum _vip_buffer_operation_type_e {
  VIP_BUFFER_OPER_TYPE_NONE = 0,
  VIP_BUFFER_OPER_TYPE_FLUSH = 1,
  VIP_BUFFER_OPER_TYPE_INVALIDATE = 2,
} vip_buffer_operation_type_e;

typedef struct _vip_network* vip_network;
typedef struct _vip_buffer* vip_buffer;

// [V] buffer: vip_buffer_create_params_t
typedef struct _vip_buffer_create_params_t {
  vip_uint32_t num_of_dims;
  vip_uint32_t sizes[6];
  vip_enum data_format;
  vip_enum quant_format;
  union {
    struct {
      vip_int32_t fixed_point_pos;
    } dfp;
    struct {
      vip_float_t scale;
      vip_int32_t zeroPoint;
    } affine;
  } quant_data;
  vip_uint32_t memory_type;
} vip_buffer_create_params_t;

// [V] global: vip_get_version, vip_init (first), vip_destroy (last)
vip_uint32_t vip_get_version(void);
vip_status_e vip_init(void);
vip_status_e vip_destroy(void);

// [V] buffer: vip_create_buffer, vip_destroy_buffer: in the order [w, h, c, n], without gaps; size_of_param: of the struct
vip_status_e vip_create_buffer(vip_buffer_create_params_t* create_param, vip_uint32_t size_of_param, vip_buffer* buffer);
vip_status_e vip_destroy_buffer(vip_buffer buffer);
// [V] buffer: vip_map_buffer, vip_unmap_buffer, vip_get_buffer_size: the processor's address
void* vip_map_buffer(vip_buffer buffer);
vip_status_e vip_unmap_buffer(vip_buffer buffer);
vip_uint32_t vip_get_buffer_size(vip_buffer buffer);
// [V] buffer: vip_flush_buffer: FLUSH after the processor wrote, INVALIDATE before it reads
vip_status_e vip_flush_buffer(vip_buffer buffer, vip_buffer_operation_type_e type);

// [V] network: vip_create_network, vip_destroy_network: from a path (size_of_data is not looked at) or from memory
vip_status_e vip_create_network(const void* data, vip_uint32_t size_of_data, vip_create_network_type_e type,
                                vip_network* network);
vip_status_e vip_destroy_network(vip_network network);
// [V] network: vip_query_network, vip_query_input, vip_query_output
vip_status_e vip_query_network(vip_network network, vip_enum property, void* value);
vip_status_e vip_query_input(vip_network network, vip_uint32_t index, vip_enum property, void* value);
vip_status_e vip_query_output(vip_network network, vip_uint32_t index, vip_enum property, void* value);
// [V] network: vip_prepare_network, before inputs and outputs are set; vip_finish_network, its opposite
vip_status_e vip_prepare_network(vip_network network);
vip_status_e vip_finish_network(vip_network network);
// [V] network: vip_set_input, vip_set_output; vip_run_network returns when it has run
vip_status_e vip_set_input(vip_network network, vip_uint32_t index, vip_buffer input);
vip_status_e vip_set_output(vip_network network, vip_uint32_t index, vip_buffer output);
vip_status_e vip_run_network(vip_network network);

#ifdef __cplusplus
}
#endif
