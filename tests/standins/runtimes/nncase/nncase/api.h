// Canaan's nncase 2 run-time (libNncase.Runtime.Native), its C interface, declared from its published reference: what a
// program needs that loads a kmodel, runs it and takes its outputs. No text of the vendor's.
//
// [N] github.com/kendryte/nncase, release 2.x: src/Native/include/nncase/api.h (signatures), runtime/typecodes.def,
//     runtime/datatypes.h (values), src/Native/src/api.cpp (who owns what, codes)
//
// Everything but an interpreter is an object with a count: what a call gives through a pointer has one reference that is the
// caller's, and ends with nncase_object_release. What is given to a call stays the caller's.
#pragma once

#include <cstdint>

namespace nncase {

// [N] object.h, type.h, value.h, tensor.h: what they are made of is the run-time's own. A pointer to one of them is passed
// as its base by a cast, as the interface itself does.
class object_node;
class tensor_node;
class tuple_node;
class value_node;
class datatype_node;

// [N] typecodes.def: dt_<type>
typedef enum : std::uint8_t {
  dt_boolean = 0x00,
  dt_utf8char = 0x01,
  dt_int8 = 0x02,
  dt_int16 = 0x03,
  dt_int32 = 0x04,
  dt_int64 = 0x05,
  dt_uint8 = 0x06,
  dt_uint16 = 0x07,
  dt_uint32 = 0x08,
  dt_uint64 = 0x09,
  dt_float16 = 0x0A,
  dt_float32 = 0x0B,
  dt_float64 = 0x0C,
  dt_bfloat16 = 0x0D,
} typecode_t;

namespace runtime {
class buffer_allocator;
class buffer_node;
class host_buffer_node;
class interpreter;
class runtime_function;
// [N] datatypes.h: map_access_t
typedef enum map_access_ { map_none = 0, map_read = 1, map_write = 2, map_read_write = 3 } map_access_t;
}  // namespace runtime
}  // namespace nncase

extern "C" {

// [N] nncase_buffer_slice
struct nncase_buffer_slice {
  nncase::runtime::buffer_node* buffer;
  std::uint32_t start;
  std::uint32_t size_bytes;
};

// All return 0, or a negative number of errno.h: -EINVAL for NULL and for what does not fit, -EOVERFLOW for too little room.

// [N] nncase_object_add_ref, nncase_object_release
int nncase_object_add_ref(nncase::object_node* node);
int nncase_object_release(nncase::object_node* node);

// [N] nncase_interp_*; copy_buffer false: the bytes are read while the interpreter lives
int nncase_interp_create(nncase::runtime::interpreter** interp);
int nncase_interp_free(nncase::runtime::interpreter* interp);
int nncase_interp_load_model(nncase::runtime::interpreter* interp, void* model_buffer, std::uint32_t model_size,
                             bool copy_buffer);
int nncase_interp_load_model_from_path(nncase::runtime::interpreter* interp, const char* model_path);
// The function is the interpreter's own: it is not released.
int nncase_interp_get_entry_func(nncase::runtime::interpreter* interp, nncase::runtime::runtime_function** func);

// [N] nncase_func_*; result: a tensor, or a tuple of tensors where there are several outputs
int nncase_func_get_params_size(nncase::runtime::runtime_function* func, std::uint32_t* size);
int nncase_func_invoke(nncase::runtime::runtime_function* func, nncase::value_node** params, std::uint32_t params_size,
                       nncase::value_node** result);

// [N] nncase_buffer_*, nncase_host_buffer_*. The host's allocator is the run-time's own. What was mapped is unmapped before
// it is used: that is when the NPU sees what was written.
int nncase_buffer_allocator_get_host(nncase::runtime::buffer_allocator** alloc);
int nncase_buffer_allocator_alloc(nncase::runtime::buffer_allocator* alloc, std::uint32_t bytes, void* options,
                                  nncase::runtime::buffer_node** buffer);
int nncase_buffer_as_host(nncase::runtime::buffer_node* buffer, nncase::runtime::host_buffer_node** host_buffer);
int nncase_host_buffer_map(nncase::runtime::host_buffer_node* host_buffer, nncase::runtime::map_access_t access, void** data,
                           std::uint32_t* bytes);
int nncase_host_buffer_unmap(nncase::runtime::host_buffer_node* host_buffer);

// [N] nncase_dtype_*: get_typecode returns the code itself
int nncase_dtype_create_prime(nncase::typecode_t typecode, nncase::datatype_node** dtype);
int nncase_dtype_get_typecode(nncase::datatype_node* dtype);

// [N] nncase_value_is_tensor, nncase_tensor_*, nncase_tuple_get_fields. strides: in elements. get_dims and get_fields: the
// length is in and out; too short: -EOVERFLOW (get_dims with dims NULL: 0), and the length that is needed
int nncase_value_is_tensor(nncase::value_node* value, bool* is_tensor);
int nncase_tensor_create(nncase::datatype_node* dtype, const std::uint32_t* dims, std::uint32_t dims_length,
                         const std::uint32_t* strides, std::uint32_t strides_length, nncase_buffer_slice* buffer,
                         nncase::tensor_node** tensor);
int nncase_tensor_get_dtype(nncase::tensor_node* tensor, nncase::datatype_node** dtype);
int nncase_tensor_get_buffer(nncase::tensor_node* tensor, nncase_buffer_slice* buffer);
int nncase_tensor_get_dims(nncase::tensor_node* tensor, std::uint32_t* dims, std::uint32_t* dims_length);
int nncase_tuple_get_fields(nncase::tuple_node* tuple, nncase::value_node** fields, std::uint32_t* fields_length);
}
