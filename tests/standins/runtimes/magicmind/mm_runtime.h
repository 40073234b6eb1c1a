// Cambricon's MagicMind (libmagicmind_runtime.so), declared from its published reference: what a program needs that loads a
// model, asks for its tensors and runs it. No text of the vendor's. A caller that compiles with this compiles with the
// vendor's headers: names, arguments and types are the same. The layout of objects is not, and what takes or gives parts of
// the C++ library is inline here, so that library and caller may be made by two compilers.
//
// [M] "MagicMind User Guide", chapter "C++ API", and as the vendor's samples call it: github.com/Cambricon/magicmind_cloud,
//     buildin/cv/*/infer_cpp: CreateIModel to Destroy, in that order
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cnrt.h"

namespace magicmind {

// [M] DataType, Layout, TensorLocation: names; their numbers are the headers' own
enum class DataType { UNKNOWN, FLOAT16, FLOAT32, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, BOOL, QINT8, QINT16 };
enum class Layout { UNKNOWN, NONE, NCHW, NHWC, HWCN };
enum class TensorLocation { kHost, kMLU, kRemoteMLU };

// [M] Status
class Status {
 public:
  Status() = default;
  Status(int code, const std::string& what) : code_(code), what_(what) {}
  static Status OK() { return {}; }
  bool ok() const { return code_ == 0; }
  const std::string& error_message() const { return what_; }
  bool operator==(const Status& other) const { return code_ == other.code_; }
  bool operator!=(const Status& other) const { return code_ != other.code_; }

 private:
  int code_ = 0;
  std::string what_;
};

// [M] Dims: -1 where an axis is open
class Dims {
 public:
  Dims() = default;
  Dims(const std::vector<std::int64_t>& dims) : dims_(dims) {}  // NOLINT: implicit, as there
  std::vector<std::int64_t> GetDims() const { return dims_; }
  int GetDimsNum() const { return static_cast<int>(dims_.size()); }
  std::int64_t GetElementCount() const {
    std::int64_t count = 1;
    for (const std::int64_t axis : dims_) count *= axis;
    return count;
  }
  std::int64_t operator[](int i) const { return dims_[static_cast<std::size_t>(i)]; }
  bool operator==(const Dims& other) const { return dims_ == other.dims_; }

 private:
  std::vector<std::int64_t> dims_;
};

/// Between the inline part and the library: a code and words, which are the library's until its next call.
struct Answer {
  int code;
  const char* what;
  Status status() const { return code == 0 ? Status::OK() : Status(code, what); }
};
struct Axes {
  int count;
  std::int64_t of[8];
  Dims dims() const { return Dims(std::vector<std::int64_t>(of, of + count)); }
};

// [M] IRTTensor: a tensor of a run; its memory is the caller's (SetData). Ends with Destroy.
class IRTTensor {
 public:
  std::string GetName() const { return name(); }
  Status SetDimensions(const Dims& dims) {
    const std::vector<std::int64_t> axes = dims.GetDims();
    return set_axes(axes.data(), static_cast<int>(axes.size())).status();
  }
  Dims GetDimensions() const { return axes().dims(); }
  virtual DataType GetDataType() const = 0;
  virtual Layout GetLayout() const = 0;
  virtual TensorLocation GetMemoryLocation() const = 0;
  virtual std::size_t GetSize() const = 0;  // bytes
  Status SetData(void* data) { return set_data(data).status(); }
  virtual void* GetMutableData() = 0;
  Status Destroy() { return destroy().status(); }

 protected:
  virtual ~IRTTensor() = default;
  virtual const char* name() const = 0;
  virtual Answer set_axes(const std::int64_t* axes, int count) = 0;
  virtual Axes axes() const = 0;
  virtual Answer set_data(void* data) = 0;
  virtual Answer destroy() = 0;
};

// [M] IContext: what runs. CreateInputTensors, CreateOutputTensors: one a tensor of the model, each ended by the caller.
// InferOutputShape: before outputs have sizes. Enqueue returns at once: the results are there after cnrtQueueSync.
class IContext {
 public:
  Status CreateInputTensors(std::vector<IRTTensor*>* tensors) { return create(false, tensors); }
  Status CreateOutputTensors(std::vector<IRTTensor*>* tensors) { return create(true, tensors); }
  Status InferOutputShape(const std::vector<IRTTensor*>& inputs, const std::vector<IRTTensor*>& outputs) {
    return infer(inputs.data(), inputs.size(), outputs.data(), outputs.size()).status();
  }
  Status Enqueue(const std::vector<IRTTensor*>& inputs, const std::vector<IRTTensor*>& outputs, cnrtQueue_t queue) {
    return enqueue(inputs.data(), inputs.size(), outputs.data(), outputs.size(), queue).status();
  }
  Status Destroy() { return destroy().status(); }

 protected:
  virtual ~IContext() = default;
  Status create(bool outputs, std::vector<IRTTensor*>* tensors) {
    const std::size_t count = tensor_count(outputs);
    for (std::size_t i = 0; i < count; ++i) tensors->push_back(tensor(outputs, i));
    return Status::OK();
  }
  virtual std::size_t tensor_count(bool outputs) const = 0;
  virtual IRTTensor* tensor(bool output, std::size_t index) = 0;
  virtual Answer infer(IRTTensor* const* in, std::size_t ins, IRTTensor* const* out, std::size_t outs) = 0;
  virtual Answer enqueue(IRTTensor* const* in, std::size_t ins, IRTTensor* const* out, std::size_t outs, cnrtQueue_t queue) = 0;
  virtual Answer destroy() = 0;
};

// [M] IEngine
class IEngine {
 public:
  virtual IContext* CreateIContext() = 0;
  Status Destroy() { return destroy().status(); }

 protected:
  virtual ~IEngine() = default;
  virtual Answer destroy() = 0;
};

// [M] IModel; an object is ended after those that were made from it
class IModel {
 public:
  struct EngineConfig {
    EngineConfig& SetDeviceType(const std::string&) { return *this; }
    EngineConfig& SetConstDataInit(bool) { return *this; }
  };
  Status DeserializeFromFile(const char* file_name) { return load_file(file_name).status(); }
  Status DeserializeFromMemory(void* data, std::size_t size) { return load_memory(data, size).status(); }
  virtual std::size_t GetInputNum() const = 0;
  virtual std::size_t GetOutputNum() const = 0;
  Dims GetInputDimension(int index) const { return axes(false, index).dims(); }
  Dims GetOutputDimension(int index) const { return axes(true, index).dims(); }
  virtual DataType GetInputDataType(int index) const = 0;
  virtual DataType GetOutputDataType(int index) const = 0;
  std::string GetInputName(int index) const { return name(false, index); }
  std::string GetOutputName(int index) const { return name(true, index); }
  IEngine* CreateIEngine() { return engine(); }
  IEngine* CreateIEngine(const EngineConfig&) { return engine(); }
  Status Destroy() { return destroy().status(); }

 protected:
  virtual ~IModel() = default;
  virtual Answer load_file(const char* file) = 0;
  virtual Answer load_memory(const void* data, std::size_t size) = 0;
  virtual Axes axes(bool output, int index) const = 0;
  virtual const char* name(bool output, int index) const = 0;
  virtual IEngine* engine() = 0;
  virtual Answer destroy() = 0;
};

// [M] CreateIModel
IModel* CreateIModel();

}  // namespace magicmind
