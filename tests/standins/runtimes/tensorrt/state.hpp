// What the stand-in knows, and the words in which it refuses. Included once, by standin.cpp.
#pragma once

#pragma GCC visibility push(default)
#include "NvInfer.h"
#pragma GCC visibility pop

#include <cstdlib>
#include <cstring>
#include <functional>

#include "standin.hpp"

using namespace nvinfer1;
using standin::fault;
using standin::ledger;
using standin::of_device;
using standin::Tensor;
using standin::Type;

namespace {

constexpr const char* kMemory = "cudaMalloc'ed memory";
constexpr const char* kPinned = "cudaMallocHost'ed memory";
constexpr const char* kStream = "cudaStream_t";
constexpr const char* kRuntime = "IRuntime";
constexpr const char* kEngine = "ICudaEngine";
constexpr const char* kContext = "IExecutionContext";
constexpr std::uintptr_t kAligned = 256;

struct Task {
  std::function<void()> work;
  std::vector<const void*> touched;
};

struct Stream {
  bool blocking = true;
  std::vector<Task> tasks;
};

std::map<cudaStream_t, Stream>& streams() {
  static auto* all = new std::map<cudaStream_t, Stream>{{nullptr, {}}};
  return *all;
}

void wait(Stream* stream) {
  std::vector<Task> tasks;
  std::swap(tasks, stream->tasks);
  for (const Task& task : tasks) task.work();
}

/// What waits for all blocking streams: the legacy default stream.
void wait_for_all(bool also_others) {
  for (auto& [handle, stream] : streams()) {
    if (stream.blocking || also_others) wait(&stream);
  }
}

void idle(const void* at, const std::string& call) {
  for (const auto& [handle, stream] : streams()) {
    for (const Task& task : stream.tasks) {
      for (const void* one : task.touched) {
        if (one == at) fault(call + ": what a stream does with this memory was not waited for (cudaStreamSynchronize)");
      }
    }
  }
}

/// Whether that many bytes are there; cudaErrorInvalidValue where not.
bool room(const void* at, std::size_t count, const std::string& call) {
  if (!of_device(at)) return true;
  if (ledger().room(at, kMemory, call) >= count) return true;
  standin::complain(call + ": more bytes than the memory of the device has");
  return false;
}

cudaError_t direction(const void* dst, const void* src, cudaMemcpyKind kind, const std::string& call) {
  if (kind == cudaMemcpyDefault) return cudaSuccess;
  const bool to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (of_device(dst) == to && of_device(src) == from) return cudaSuccess;
  standin::complain(call + ": kind says otherwise where the memories are");
  return cudaErrorInvalidValue;
}

bool pinned(const void* at) { return ledger().lives(at, kPinned); }

Dims dims_of(const Tensor& tensor) {
  Dims dims{};
  const std::vector<int> laid = tensor.laid();
  dims.nbDims = static_cast<std::int32_t>(laid.size());
  for (std::size_t i = 0; i < laid.size(); ++i) dims.d[i] = laid[i];
  return dims;
}

DataType named(Type type) {
  switch (type) {
    case Type::f16: return DataType::kHALF;
    case Type::i8: return DataType::kINT8;
    case Type::i32: return DataType::kINT32;
    case Type::boolean: return DataType::kBOOL;
    case Type::u8: return DataType::kUINT8;
    case Type::i64: return DataType::kINT64;
    default: return DataType::kFLOAT;
  }
}

const Tensor* tensor_of(const standin::Model& model, const char* name, bool* output) {
  for (const bool out : {false, true}) {
    for (const Tensor& tensor : out ? model.outputs : model.inputs) {
      if (name != nullptr && tensor.name == name) {
        *output = out;
        return &tensor;
      }
    }
  }
  return nullptr;
}

class Base {
 protected:
  explicit Base(ILogger* logger) : logger_(logger) {}
  bool refuse(const std::string& why) const {
    logger_->log(ILogger::Severity::kERROR, why.c_str());
    return false;
  }
  ILogger* logger_;
};

class Context final : public IExecutionContext, Base {
 public:
  Context(ILogger* logger, const ICudaEngine* engine, std::shared_ptr<standin::Model> model)
      : Base(logger), engine_(engine), model_(std::move(model)) {
    ledger().born(this, kContext, "delete");
  }
  ~Context() noexcept override {
    const std::lock_guard held(standin::lock());
    ledger().died(this, kContext, "delete IExecutionContext");
    if (!ledger().lives(engine_, kEngine)) fault("delete IExecutionContext: its ICudaEngine was deleted before");
    idle(this, "delete IExecutionContext");
  }

  bool setInputShape(char const* name, Dims const& dims) noexcept override {
    const std::lock_guard held(standin::lock());
    ledger().alive(this, kContext, "setInputShape");
    bool output = false;
    const Tensor* tensor = tensor_of(*model_, name, &output);
    if (tensor == nullptr || output) return refuse("setInputShape: there is no such input");
    const Dims own = dims_of(*tensor);
    if (own.nbDims != dims.nbDims || !std::equal(own.d, own.d + own.nbDims, dims.d)) {
      return refuse("setInputShape: the shape is not one of the profile");
    }
    return true;
  }

  Dims getTensorShape(char const* name) const noexcept override {
    ledger().alive(this, kContext, "getTensorShape");
    bool output = false;
    const Tensor* tensor = tensor_of(*model_, name, &output);
    return tensor != nullptr ? dims_of(*tensor) : Dims{-1, {}};
  }

  bool allInputDimensionsSpecified() const noexcept override { return true; }

  bool setTensorAddress(char const* name, void* data) noexcept override {
    const std::lock_guard held(standin::lock());
    ledger().alive(this, kContext, "setTensorAddress");
    bool output = false;
    if (tensor_of(*model_, name, &output) == nullptr) return refuse("setTensorAddress: there is no such tensor");
    if (data != nullptr && reinterpret_cast<std::uintptr_t>(standin::from_device(data)) % kAligned != 0) {
      return refuse("setTensorAddress: the address is not aligned to 256 bytes");
    }
    addresses_[name] = data;
    return true;
  }

  void const* getTensorAddress(char const* name) const noexcept override {
    const auto found = addresses_.find(name);
    return found != addresses_.end() ? found->second : nullptr;
  }

  bool enqueueV3(cudaStream_t stream) noexcept override {
    const std::lock_guard held(standin::lock());
    ledger().alive(this, kContext, "enqueueV3");
    if (stream != nullptr) ledger().alive(stream, kStream, "enqueueV3");
    Task task;
    std::vector<const void*> in;
    std::vector<void*> out;
    for (const Tensor& tensor : model_->inputs) {
      void* at = bound(tensor, &task);
      if (at == nullptr) return false;
      in.push_back(at);
    }
    for (const Tensor& tensor : model_->outputs) {
      void* at = bound(tensor, &task);
      if (at == nullptr) return false;
      out.push_back(at);
    }
    task.touched.push_back(this);
    task.work = [model = model_, in, out] { model->run(in, out); };
    streams()[stream].tasks.push_back(task);
    return true;
  }

 private:
  void* bound(const Tensor& tensor, Task* task) {
    const auto found = addresses_.find(tensor.name);
    if (found == addresses_.end() || found->second == nullptr) {
      refuse("enqueueV3: " + tensor.name + " has no address");
      return nullptr;
    }
    if (!of_device(found->second)) fault("enqueueV3: the address of " + tensor.name + " is not memory of the device");
    if (ledger().room(found->second, kMemory, "enqueueV3") < tensor.size()) {
      fault("enqueueV3: the memory of " + tensor.name + " is smaller than " + std::to_string(tensor.size()) + " bytes");
    }
    task->touched.push_back(found->second);
    return standin::from_device(found->second);
  }

  const ICudaEngine* engine_;
  std::shared_ptr<standin::Model> model_;
  std::map<std::string, void*> addresses_;
};

class Engine final : public ICudaEngine, Base {
 public:
  Engine(ILogger* logger, const IRuntime* runtime, std::shared_ptr<standin::Model> model)
      : Base(logger), runtime_(runtime), model_(std::move(model)) {
    ledger().born(this, kEngine, "delete");
  }
  ~Engine() noexcept override {
    const std::lock_guard held(standin::lock());
    ledger().died(this, kEngine, "delete ICudaEngine");
    if (!ledger().lives(runtime_, kRuntime)) fault("delete ICudaEngine: its IRuntime was deleted before");
  }

  std::int32_t getNbIOTensors() const noexcept override {
    ledger().alive(this, kEngine, "getNbIOTensors");
    return static_cast<std::int32_t>(model_->inputs.size() + model_->outputs.size());
  }
  char const* getIOTensorName(std::int32_t index) const noexcept override {
    const auto at = static_cast<std::size_t>(index);
    if (index < 0 || index >= getNbIOTensors()) return nullptr;
    const std::size_t first = model_->inputs.size();
    return (at < first ? model_->inputs[at] : model_->outputs[at - first]).name.c_str();
  }
  Dims getTensorShape(char const* name) const noexcept override {
    bool output = false;
    const Tensor* tensor = found(name, &output);
    return tensor != nullptr ? dims_of(*tensor) : Dims{-1, {}};
  }
  DataType getTensorDataType(char const* name) const noexcept override {
    bool output = false;
    const Tensor* tensor = found(name, &output);
    return tensor != nullptr ? named(tensor->type) : DataType::kFLOAT;
  }
  TensorIOMode getTensorIOMode(char const* name) const noexcept override {
    bool output = false;
    if (found(name, &output) == nullptr) return TensorIOMode::kNONE;
    return output ? TensorIOMode::kOUTPUT : TensorIOMode::kINPUT;
  }
  TensorLocation getTensorLocation(char const*) const noexcept override { return TensorLocation::kDEVICE; }
  TensorFormat getTensorFormat(char const*) const noexcept override { return TensorFormat::kLINEAR; }
  IExecutionContext* createExecutionContext() noexcept override {
    const std::lock_guard held(standin::lock());
    ledger().alive(this, kEngine, "createExecutionContext");
    return new Context(logger_, this, model_);
  }

 private:
  const Tensor* found(const char* name, bool* output) const {
    ledger().alive(this, kEngine, "ICudaEngine");
    const Tensor* tensor = tensor_of(*model_, name, output);
    if (tensor == nullptr) refuse(std::string("there is no tensor ") + (name != nullptr ? name : "NULL"));
    return tensor;
  }

  const IRuntime* runtime_;
  std::shared_ptr<standin::Model> model_;
};

class Runtime final : public IRuntime, Base {
 public:
  explicit Runtime(ILogger* logger) : Base(logger) { ledger().born(this, kRuntime, "delete"); }
  ~Runtime() noexcept override {
    const std::lock_guard held(standin::lock());
    ledger().died(this, kRuntime, "delete IRuntime");
  }
  ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept override {
    const std::lock_guard held(standin::lock());
    ledger().alive(this, kRuntime, "deserializeCudaEngine");
    std::string why;
    std::shared_ptr<standin::Model> model = standin::Model::read(blob, size, "ftrt", &why);
    if (!model) {
      refuse("deserializeCudaEngine: not a plan: " + why);
      return nullptr;
    }
    return new Engine(logger_, this, model);
  }
};

cudaError_t copied(void* dst, const void* src, std::size_t count, cudaMemcpyKind kind, const std::string& call) {
  const cudaError_t code = direction(dst, src, kind, call);
  if (code != cudaSuccess) return code;
  if (!room(dst, count, call) || !room(src, count, call)) return cudaErrorInvalidValue;
  return cudaSuccess;
}

}  // namespace
