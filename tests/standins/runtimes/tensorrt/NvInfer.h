// NVIDIA's TensorRT 10 (libnvinfer.so.10), declared from its published reference: what a program needs that loads a plan,
// asks for its tensors and runs it. No text of the vendor's. A caller that compiles with this compiles with the vendor's
// headers: names, arguments and types are the same. The layout of objects is not: they are abstract here.
//
// [T] "TensorRT 10 C++ API", docs.nvidia.com/deeplearning/tensorrt/10.8.0/_static/c-api, one page a class
// [L] "TensorRT Developer Guide", "Object Lifetimes": who made an object lives longer than it
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda_runtime_api.h"

#define NV_TENSORRT_MAJOR 10
#define NV_TENSORRT_MINOR 8
#define NV_TENSORRT_PATCH 0
#define NV_TENSORRT_VERSION 100800

namespace nvinfer1 {

using AsciiChar = char;

// [T] nvinfer1::DataType
enum class DataType : std::int32_t {
  kFLOAT = 0,
  kHALF = 1,
  kINT8 = 2,
  kINT32 = 3,
  kBOOL = 4,
  kUINT8 = 5,
  kFP8 = 6,
  kBF16 = 7,
  kINT64 = 8,
  kINT4 = 9,
};

// [T] nvinfer1::Dims64, as which Dims is known since 10; nbDims is -1 where there is no such tensor, d[i] is -1 where an
// axis is open
class Dims64 {
 public:
  static constexpr std::int32_t MAX_DIMS{8};
  std::int32_t nbDims;
  std::int64_t d[MAX_DIMS];
};
using Dims = Dims64;

// [T] nvinfer1::TensorIOMode, TensorLocation, TensorFormat
enum class TensorIOMode : std::int32_t { kNONE = 0, kINPUT = 1, kOUTPUT = 2 };
enum class TensorLocation : std::int32_t { kDEVICE = 0, kHOST = 1 };
enum class TensorFormat : std::int32_t { kLINEAR = 0, kCHW2 = 1, kHWC8 = 2, kCHW4 = 3, kCHW16 = 4, kCHW32 = 5 };

// [T] nvinfer1::ILogger: the caller's, and it lives longer than all that is made with it
class ILogger {
 public:
  enum class Severity : std::int32_t { kINTERNAL_ERROR = 0, kERROR = 1, kWARNING = 2, kINFO = 3, kVERBOSE = 4 };
  virtual void log(Severity severity, AsciiChar const* msg) noexcept = 0;
  ILogger() = default;
  virtual ~ILogger() = default;
};

// [T] nvinfer1::IExecutionContext; ends with delete
class IExecutionContext {
 public:
  virtual ~IExecutionContext() noexcept = default;
  /// false where there is no such input, or the shape is not one of the profile
  virtual bool setInputShape(char const* tensorName, Dims const& dims) noexcept = 0;
  virtual Dims getTensorShape(char const* tensorName) const noexcept = 0;
  virtual bool allInputDimensionsSpecified() const noexcept = 0;
  /// Memory of the device, aligned to 256 bytes; false where there is no such tensor
  virtual bool setTensorAddress(char const* tensorName, void* data) noexcept = 0;
  virtual void const* getTensorAddress(char const* tensorName) const noexcept = 0;
  /// Returns at once: outputs are written in the order of the stream. Inputs stay as they are until then.
  virtual bool enqueueV3(cudaStream_t stream) noexcept = 0;
};

// [T] nvinfer1::ICudaEngine; ends with delete, after its contexts ([L])
class ICudaEngine {
 public:
  virtual ~ICudaEngine() noexcept = default;
  virtual std::int32_t getNbIOTensors() const noexcept = 0;
  virtual char const* getIOTensorName(std::int32_t index) const noexcept = 0;
  virtual Dims getTensorShape(char const* tensorName) const noexcept = 0;
  virtual DataType getTensorDataType(char const* tensorName) const noexcept = 0;
  virtual TensorIOMode getTensorIOMode(char const* tensorName) const noexcept = 0;
  virtual TensorLocation getTensorLocation(char const* tensorName) const noexcept = 0;
  virtual TensorFormat getTensorFormat(char const* tensorName) const noexcept = 0;
  virtual IExecutionContext* createExecutionContext() noexcept = 0;
};

// [T] nvinfer1::IRuntime; ends with delete, after its engines ([L]). nullptr where the plan is of another version, GPU
// or no plan; the logger is told why.
class IRuntime {
 public:
  virtual ~IRuntime() noexcept = default;
  virtual ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept = 0;
};

}  // namespace nvinfer1

// [T] NvInferRuntime.h: createInferRuntime is inline and asks the library for the headers' version
extern "C" void* createInferRuntime_INTERNAL(void* logger, std::int32_t version) noexcept;
extern "C" std::int32_t getInferLibVersion() noexcept;

namespace nvinfer1 {
namespace {
inline IRuntime* createInferRuntime(ILogger& logger) noexcept {
  return static_cast<IRuntime*>(createInferRuntime_INTERNAL(&logger, NV_TENSORRT_VERSION));
}
}  // namespace
}  // namespace nvinfer1
