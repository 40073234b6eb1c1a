// NVIDIA's TensorRT from 8.5 on, by contract only. Each call after "TensorRT C++ API" and "CUDA Runtime API"
// (docs.nvidia.com); what outlives what after the developer guide, "Object Lifetimes".
#include <NvInfer.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>

#include "native_tensor.hpp"
#include "runtime_library.hpp"

namespace edgepack::program {

namespace {

static_assert(NV_TENSORRT_MAJOR * 100 + NV_TENSORRT_MINOR >= 805,
              "these headers are of a TensorRT before 8.5, which has no enqueueV3");

#ifndef CUDART_VERSION  // 12040 is 12.4
#define CUDART_VERSION 12000
#endif
const std::string kCuda =
    "libcudart.so." + (CUDART_VERSION < 12000 ? std::string("11.0") : std::to_string(CUDART_VERSION / 1000));

struct Api {
  // The box's: they belong to the driver. An engine is of one version, and so are the libraries.
  RuntimeLibrary cuda{"CUDA", {kCuda}};
  RuntimeLibrary tensorrt{"TensorRT", {"libnvinfer.so." + std::to_string(NV_TENSORRT_MAJOR)}};
#define EDGEPACK_FUNCTION(library, name) decltype(::name)* const name = library.function<decltype(::name)>(#name)
  EDGEPACK_FUNCTION(cuda, cudaGetErrorString);
  EDGEPACK_FUNCTION(cuda, cudaMalloc);
  EDGEPACK_FUNCTION(cuda, cudaFree);
  EDGEPACK_FUNCTION(cuda, cudaMemcpyAsync);
  EDGEPACK_FUNCTION(cuda, cudaStreamCreate);
  EDGEPACK_FUNCTION(cuda, cudaStreamSynchronize);
  EDGEPACK_FUNCTION(cuda, cudaStreamDestroy);
  EDGEPACK_FUNCTION(tensorrt, createInferRuntime_INTERNAL);  // which the inline createInferRuntime calls
#undef EDGEPACK_FUNCTION

  void check(cudaError_t code, const std::string& what) const {
    if (code == cudaSuccess) return;
    throw ModelError("CUDA cannot " + what + ": " + cudaGetErrorString(code) + " (" +
                     std::to_string(static_cast<int>(code)) + ")");
  }
};

/// What TensorRT complains of: said on stderr, and the last of it in errors. It outlives all that is made with it.
class Log : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const nvinfer1::AsciiChar* message) noexcept override {
    if (severity > Severity::kERROR) return;
    try {
      last_ = message;
      std::cerr << "TensorRT: " << message << '\n';
    } catch (...) {  // nothing may pass through TensorRT
    }
  }
  std::string why() const { return last_.empty() ? "" : ": " + last_; }

 private:
  std::string last_;
};

Kind kind_of(nvinfer1::DataType type, const std::string& tensor) {
  switch (type) {
    case nvinfer1::DataType::kFLOAT: return Kind::float32;
    case nvinfer1::DataType::kHALF: return Kind::float16;
    case nvinfer1::DataType::kINT8: return Kind::int8;
    case nvinfer1::DataType::kINT32: return Kind::int32;
    default:
      throw ModelError(tensor + " is of a type that is not read here (" + std::to_string(static_cast<int>(type)) + ")");
  }
}

struct Stream {
  explicit Stream(const Api& of) : api(of) { api.check(api.cudaStreamCreate(&handle), "start"); }
  ~Stream() { api.cudaStreamDestroy(handle); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const Api& api;
  cudaStream_t handle = nullptr;
};

/// Memory of the device for all of the engine's tensors.
struct Memory {
  explicit Memory(const Api& of) : api(of) {}
  ~Memory() {
    for (void* block : blocks) api.cudaFree(block);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  void* take(std::size_t size, const std::string& tensor) {
    void* block = nullptr;
    blocks.reserve(blocks.size() + 1);
    api.check(api.cudaMalloc(&block, size), "allocate " + tensor);
    blocks.push_back(block);
    return block;
  }

  const Api& api;
  std::vector<void*> blocks;
};

class TensorRtModel : public Model {
 public:
  TensorRtModel(const std::string& folder, const Config& config)
      : file_(folder + "/model.engine"), stream_(api_), memory_(api_) {
    const std::vector<unsigned char> bytes = model_bytes(file_);
    runtime_.reset(static_cast<nvinfer1::IRuntime*>(api_.createInferRuntime_INTERNAL(&log_, NV_TENSORRT_VERSION)));
    if (runtime_ == nullptr) throw ModelError("TensorRT cannot start" + log_.why());
    engine_.reset(runtime_->deserializeCudaEngine(bytes.data(), bytes.size()));
    // An engine is for one version of TensorRT and one kind of GPU.
    if (engine_ == nullptr) throw ModelError("TensorRT cannot load " + file_ + log_.why());
    context_.reset(engine_->createExecutionContext());
    if (context_ == nullptr) throw ModelError("TensorRT cannot prepare " + file_ + log_.why());
    place(config.input, nvinfer1::TensorIOMode::kINPUT);
    for (const TensorInfo& output : config.outputs) place(output, nvinfer1::TensorIOMode::kOUTPUT);
    if (static_cast<std::size_t>(engine_->getNbIOTensors()) != natives_.size()) {
      throw ModelError(file_ + ": has " + std::to_string(engine_->getNbIOTensors()) + " inputs and outputs, " +
                       std::to_string(natives_.size()) + " were expected");
    }
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    NativeTensor& in = natives_.front();
    require_fits(input, in.info());
    in.take(input);
    copy(memory_.blocks.front(), in.data(), in.size(), cudaMemcpyHostToDevice, "copy the input");
    if (!context_->enqueueV3(stream_.handle)) throw ModelError("TensorRT cannot compute the model" + log_.why());
    for (std::size_t i = 1; i < natives_.size(); ++i) {
      copy(natives_[i].data(), memory_.blocks[i], natives_[i].size(), cudaMemcpyDeviceToHost, "copy an output");
    }
    // Nothing of this is there before: a stream is worked on in its order, and calls return at once.
    api_.check(api_.cudaStreamSynchronize(stream_.handle), "compute the model");
    std::vector<Tensor> results;
    for (std::size_t i = 1; i < natives_.size(); ++i) results.push_back(natives_[i].give());
    return results;
  }

 private:
  void copy(void* to, const void* from, std::size_t size, cudaMemcpyKind kind, const std::string& what) {
    api_.check(api_.cudaMemcpyAsync(to, from, size, kind, stream_.handle), what);
  }

  /// Memory for one tensor, found by its name.
  void place(const TensorInfo& info, nvinfer1::TensorIOMode mode) {
    const char* const name = info.blob.c_str();
    const bool input = mode == nvinfer1::TensorIOMode::kINPUT;
    if (engine_->getTensorIOMode(name) != mode) {
      throw ModelError(file_ + ": has no " + (input ? "input " : "output ") + info.blob);
    }
    if (engine_->getTensorFormat(name) != nvinfer1::TensorFormat::kLINEAR) {
      throw ModelError(file_ + ": " + info.blob + " is not kept in rows: convert without --inputIOFormats");
    }
    nvinfer1::Dims dims = context_->getTensorShape(name);
    if (input && dims.nbDims > 0 && dims.d[0] < 0) {
      dims.d[0] = 1;  // a batch of any size: one image
      if (!context_->setInputShape(name, dims)) throw ModelError("TensorRT does not take one image" + log_.why());
    }
    require_count(elements(std::vector<std::int64_t>(dims.d, dims.d + std::max(dims.nbDims, 0))), info);
    natives_.emplace_back(info, kind_of(engine_->getTensorDataType(name), info.tensor));
    if (!context_->setTensorAddress(name, memory_.take(natives_.back().size(), info.tensor))) {
      throw ModelError("TensorRT does not take memory for " + info.tensor + log_.why());
    }
  }

  Api api_;
  std::string file_;
  Log log_;
  // In this order: what was made last is freed first.
  Stream stream_;
  Memory memory_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  std::vector<NativeTensor> natives_;  // the input, then the outputs; as `memory_` has them
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<TensorRtModel>(folder, config);
}

}  // namespace edgepack::program
