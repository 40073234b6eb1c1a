// Sophon's run-time (libbmrt.so), its C interface: declared from the published reference. No text of the vendor's.
//
// [G] libsophon guide, "BMRuntime", section "C Interface": github.com/sophgo/libsophon, tpu-runtime/docs
#pragma once

#include "bmdef.h"

#ifdef __cplusplus
extern "C" {
#endif

// [G] bmrt_shape, bmrt_shape_count, bmrt_shape_is_same
void bmrt_shape(bm_shape_t* shape, const int* dims, int num_dims);
uint64_t bmrt_shape_count(const bm_shape_t* shape);
bool bmrt_shape_is_same(const bm_shape_t* left, const bm_shape_t* right);

// [G] bmrt_tensor: takes memory of the device, which bm_free_device gives back
void bmrt_tensor(bm_tensor_t* tensor, void* p_bmrt, bm_data_type_t dtype, bm_shape_t shape);
// [G] bmrt_tensor_with_device: with memory that is there, of at least the tensor's size
void bmrt_tensor_with_device(bm_tensor_t* tensor, bm_device_mem_t device_mem, bm_data_type_t dtype, bm_shape_t shape);
// [G] bmrt_tensor_bytesize, bmrt_tensor_device_size
size_t bmrt_tensor_bytesize(const bm_tensor_t* tensor);
size_t bmrt_tensor_device_size(const bm_tensor_t* tensor);

// [G] bmrt_create, bmrt_destroy: between bm_dev_request and bm_dev_free
void* bmrt_create(bm_handle_t bm_handle);
void bmrt_destroy(void* p_bmrt);
// [G] bmrt_load_bmodel, bmrt_load_bmodel_data: true where it went well
bool bmrt_load_bmodel(void* p_bmrt, const char* bmodel_path);
bool bmrt_load_bmodel_data(void* p_bmrt, const void* bmodel_data, size_t size);
// [G] bmrt_get_network_number, bmrt_get_network_names: the caller frees the list with free(), not the names
int bmrt_get_network_number(void* p_bmrt);
void bmrt_get_network_names(void* p_bmrt, const char*** network_names);
// [G] bmrt_get_network_info: NULL where there is none of that name; the run-time's own until bmrt_destroy
const bm_net_info_t* bmrt_get_network_info(void* p_bmrt, const char* net_name);

// [G] bmrt_launch_tensor: takes memory of the device for the outputs, which the caller frees. Returns at once:
// the results are there after bm_thread_sync.
bool bmrt_launch_tensor(void* p_bmrt, const char* net_name, const bm_tensor_t input_tensors[], int input_num,
                        bm_tensor_t output_tensors[], int output_num);
// [G] bmrt_launch_tensor_ex: user_mem: into the memory that output_tensors have; user_stmode: in the order that they say
bool bmrt_launch_tensor_ex(void* p_bmrt, const char* net_name, const bm_tensor_t input_tensors[], int input_num,
                           bm_tensor_t output_tensors[], int output_num, bool user_mem, bool user_stmode);

#ifdef __cplusplus
}
#endif
