// Sophgo's (Cvitek's) TPU run-time for CV180x to CV183x (libcviruntime.so), declared from its published reference: what a
// program needs that loads a cvimodel, asks for its tensors, gives inputs, runs it and takes its outputs. No text of the
// vendor's.
//
// [G] "CV18xx TPU Toolchain User Guide" (TPU 开发指南), chapter Runtime, section C API reference: names, values, arguments
// [H] cviruntime.h of the runtime's release of 2021 and later (github.com/sophgo/cviruntime, include/): the order of the
//     fields of CVI_TENSOR, which had neither zero_point nor pixel_format in the guide's first releases
// [R] the runtime's own tools (model_runner, and model_runner.py of tpu_mlir): which way a scale is meant
// [L] libcviruntime.so in the wheel of tpu_mlir 1.15, for x86-64 with the chip's C model: what it answered
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// [G] return codes
#define CVI_RC_SUCCESS 0
#define CVI_RC_AGAIN 1
#define CVI_RC_FAILURE 2
#define CVI_RC_TIMEOUT 3
#define CVI_RC_UNINIT 4
#define CVI_RC_INVALID_ARG 5
#define CVI_RC_NOMEM 6
#define CVI_RC_DATA_ERR 7
#define CVI_RC_BUSY 8
#define CVI_RC_UNSUPPORT 9
typedef int CVI_RC;

// [G] CVI_FMT
typedef enum {
  CVI_FMT_FP32 = 0,
  CVI_FMT_INT32 = 1,
  CVI_FMT_UINT32 = 2,
  CVI_FMT_BF16 = 3,
  CVI_FMT_INT16 = 4,
  CVI_FMT_UINT16 = 5,
  CVI_FMT_INT8 = 6,
  CVI_FMT_UINT8 = 7,
} CVI_FMT;

// [G] CVI_MEM_TYPE_E: where a tensor's memory is
typedef enum {
  CVI_MEM_SYSTEM = 1,
  CVI_MEM_DEVICE = 2,
} CVI_MEM_TYPE_E;

// [H] CVI_NN_PIXEL_FORMAT_E: TENSOR where the model takes no picture of its own accord
typedef enum {
  CVI_NN_PIXEL_RGB_PACKED = 0,
  CVI_NN_PIXEL_BGR_PACKED = 1,
  CVI_NN_PIXEL_RGB_PLANAR = 2,
  CVI_NN_PIXEL_BGR_PLANAR = 3,
  CVI_NN_PIXEL_YUV_NV12 = 11,
  CVI_NN_PIXEL_YUV_NV21 = 12,
  CVI_NN_PIXEL_YUV_420_PLANAR = 13,
  CVI_NN_PIXEL_GRAYSCALE = 15,
  CVI_NN_PIXEL_TENSOR = 100,
  CVI_NN_PIXEL_PLANAR = 101,
  CVI_NN_PIXEL_PACKED = 102,
  CVI_NN_PIXEL_RGBA_PLANAR = 1000,
} CVI_NN_PIXEL_FORMAT_E;

// [G] CVI_CONFIG_OPTION, [H] the index of a program; before CVI_NN_GetInputOutputTensors
typedef enum {
  OPTION_BATCH_SIZE = 1,
  OPTION_OUTPUT_ALL_TENSORS = 4,
  OPTION_PROGRAM_INDEX = 9,
} CVI_CONFIG_OPTION;

// [G] CVI_SHAPE: {n, channel, height, width}; dim_size: how many of them are meant
#define CVI_DIM_MAX (6)
typedef struct {
  int32_t dim[CVI_DIM_MAX];
  size_t dim_size;
} CVI_SHAPE;

// [H] CVI_TENSOR. [G] count: of elements; mem_size: of bytes. [R] an input's qscale multiplies: kept = round(real * qscale) +
// zero_point; an output's too, the other way: real = (kept - zero_point) * qscale. [L] where a tensor is not quantised it is 1, and its axes are always four
// [H] aligned: lines of an input lie apart, as the chip's video hardware writes them
typedef struct {
  char* name;
  CVI_SHAPE shape;
  CVI_FMT fmt;
  size_t count;
  size_t mem_size;
  uint8_t* sys_mem;
  uint64_t paddr;
  CVI_MEM_TYPE_E mem_type;
  float qscale;
  int zero_point;
  CVI_NN_PIXEL_FORMAT_E pixel_format;
  bool aligned;
  float mean[3];
  float scale[3];
  void* owner;
  char reserved[32];
} CVI_TENSOR;

// [G] CVI_MODEL_HANDLE
typedef void* CVI_MODEL_HANDLE;

// [G] CVI_NN_RegisterModel: of a file. CVI_NN_RegisterModelFromBuffer: of its bytes, size of them. What they give is freed
// by CVI_NN_CleanupModel
CVI_RC CVI_NN_RegisterModel(const char* model_file, CVI_MODEL_HANDLE* model);
CVI_RC CVI_NN_RegisterModelFromBuffer(const int8_t* buf, uint32_t size, CVI_MODEL_HANDLE* model);
// [G] CVI_NN_CloneModel: shares the weights; freed by CVI_NN_CleanupModel as well, which frees all with the last of them
CVI_RC CVI_NN_CloneModel(CVI_MODEL_HANDLE model, CVI_MODEL_HANDLE* cloned);
// [H] CVI_NN_GetModelVersion, CVI_NN_GetModelTarget: the chip that the model was made for ("cv181x")
CVI_RC CVI_NN_GetModelVersion(CVI_MODEL_HANDLE model, int32_t* major, int32_t* minor);
const char* CVI_NN_GetModelTarget(CVI_MODEL_HANDLE model);
// [G] CVI_NN_SetConfig: before CVI_NN_GetInputOutputTensors; what follows is of the option's type
CVI_RC CVI_NN_SetConfig(CVI_MODEL_HANDLE model, CVI_CONFIG_OPTION option, ...);
// [G] CVI_NN_GetInputOutputTensors: before CVI_NN_Forward. The arrays and their memory are the model's until its cleanup
CVI_RC CVI_NN_GetInputOutputTensors(CVI_MODEL_HANDLE model, CVI_TENSOR** inputs, int32_t* input_num, CVI_TENSOR** outputs,
                                    int32_t* output_num);
// [H] CVI_NN_GetInputTensors, CVI_NN_GetOutputTensors: a half of it each
CVI_RC CVI_NN_GetInputTensors(CVI_MODEL_HANDLE model, CVI_TENSOR** inputs, int32_t* input_num);
CVI_RC CVI_NN_GetOutputTensors(CVI_MODEL_HANDLE model, CVI_TENSOR** outputs, int32_t* output_num);
// [G] CVI_NN_Forward: returns when the outputs are in their memory
CVI_RC CVI_NN_Forward(CVI_MODEL_HANDLE model, CVI_TENSOR inputs[], int32_t input_num, CVI_TENSOR outputs[], int32_t output_num);
// [G] CVI_NN_ForwardAsync, [H] task_no: what CVI_NN_ForwardWait takes, once
CVI_RC CVI_NN_ForwardAsync(CVI_MODEL_HANDLE model, CVI_TENSOR inputs[], int32_t input_num, CVI_TENSOR outputs[],
                           int32_t output_num, void** task_no);
CVI_RC CVI_NN_ForwardWait(CVI_MODEL_HANDLE model, void* task_no);
// [G] CVI_NN_CleanupModel
CVI_RC CVI_NN_CleanupModel(CVI_MODEL_HANDLE model);

// [G] CVI_NN_GetTensorByName: NULL (CVI_NN_DEFAULT_TENSOR) is the one there is; [H] a name's end may be '*'
#define CVI_NN_DEFAULT_TENSOR (NULL)
CVI_TENSOR* CVI_NN_GetTensorByName(const char* name, CVI_TENSOR* tensors, int32_t num);
// [G] CVI_NN_TensorPtr, CVI_NN_TensorSize (bytes), CVI_NN_TensorCount (elements), CVI_NN_TensorQuantScale,
// CVI_NN_TensorShape; [H] CVI_NN_TensorName, CVI_NN_TensorQuantZeroPoint
char* CVI_NN_TensorName(CVI_TENSOR* tensor);
void* CVI_NN_TensorPtr(CVI_TENSOR* tensor);
size_t CVI_NN_TensorSize(CVI_TENSOR* tensor);
size_t CVI_NN_TensorCount(CVI_TENSOR* tensor);
float CVI_NN_TensorQuantScale(CVI_TENSOR* tensor);
int CVI_NN_TensorQuantZeroPoint(CVI_TENSOR* tensor);
CVI_SHAPE CVI_NN_TensorShape(CVI_TENSOR* tensor);
// [H] CVI_NN_SetTensorPtr: memory of the caller's, which stays his; of mem_size bytes
CVI_RC CVI_NN_SetTensorPtr(CVI_TENSOR* tensor, void* mem);

#ifdef __cplusplus
}
#endif
