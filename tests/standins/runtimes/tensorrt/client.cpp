#include "../client.hpp"

#include <NvInfer.h>

namespace {

struct Logger final : nvinfer1::ILogger {
  void log(Severity severity, char const* msg) noexcept override {
    if (severity <= Severity::kWARNING) std::fprintf(stderr, "logged: %s\n", msg);
  }
};

}  // namespace

int main(int argc, char** argv) {
  begin(argc, argv);
  Logger logger;
  nvinfer1::IRuntime* runtime = nvinfer1::createInferRuntime(logger);
  must(runtime != nullptr, "createInferRuntime");
  std::vector<char> file = contents(model_path);
  if (fault("half a plan")) file.resize(file.size() / 2);
  nvinfer1::ICudaEngine* engine = runtime->deserializeCudaEngine(file.data(), file.size());
  must(engine != nullptr, "deserializeCudaEngine");
  const char* name = engine->getIOTensorName(0);
  must(engine->getNbIOTensors() == 3 && engine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT &&
           engine->getTensorDataType(name) == nvinfer1::DataType::kFLOAT && engine->getTensorShape(name).d[1] == kChannels &&
           engine->getTensorShape("nobody").nbDims == -1,
       "the plan is described otherwise");
  nvinfer1::IExecutionContext* context = engine->createExecutionContext();
  nvinfer1::Dims dims = engine->getTensorShape(name);
  if (fault("another shape")) dims.d[2] = 9;
  must(context->setInputShape(name, dims), "setInputShape");
  cudaStream_t stream = nullptr;
  const bool apart = the_fault == "non-blocking" || fault("copied without waiting");
  ok(cudaStreamCreateWithFlags(&stream, apart ? cudaStreamNonBlocking : cudaStreamDefault), "cudaStreamCreateWithFlags");

  std::vector<float> image(pixels.begin(), pixels.end());
  const std::size_t bytes = image.size() * sizeof(float);
  void *in = nullptr, *logits = nullptr, *heat = nullptr;
  ok(cudaMalloc(&in, fault("less memory than the tensor") ? bytes - 4 : bytes + 256), "cudaMalloc");
  ok(cudaMalloc(&logits, kLogits * 4), "cudaMalloc");
  ok(cudaMalloc(&heat, kHeat * 4), "cudaMalloc");
  const std::size_t count = fault("more than the memory") ? bytes + 1024 : bytes;
  if (fault("device written without a copy")) std::memcpy(in, image.data(), bytes);
  if (!fault("less memory than the tensor")) {
    ok(cudaMemcpyAsync(in, image.data(), count, fault("wrong direction") ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice, stream),
       "cudaMemcpyAsync");
  }
  must(context->setTensorAddress(name, fault("not aligned") ? static_cast<char*>(in) + 4 : in), "setTensorAddress");
  must(context->setTensorAddress(fault("name of nobody") ? "nobody" : "logits", fault("host memory") ? static_cast<void*>(std::aligned_alloc(256, 256)) : logits),
       "setTensorAddress");
  if (!fault("no address")) must(context->setTensorAddress("heat", heat), "setTensorAddress");
  must(context->enqueueV3(stream), "enqueueV3");
  float* host = nullptr;
  ok(cudaMallocHost(reinterpret_cast<void**>(&host), kHeat * 4), "cudaMallocHost");
  std::memset(host, 0, kHeat * 4);
  if (fault("copied without waiting")) cudaMemcpy(host, logits, kLogits * 4, cudaMemcpyDeviceToHost);
  if (the_fault == "pageable") {
    std::vector<float> pageable(kHeat);
    ok(cudaMemcpyAsync(pageable.data(), logits, kLogits * 4, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
    show(pageable.data(), kLogits);
    ok(cudaMemcpyAsync(pageable.data(), heat, kHeat * 4, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
    show(pageable.data(), kHeat);
  } else {
    ok(cudaMemcpyAsync(host, logits, kLogits * 4, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
    if (!fault("read without waiting")) ok(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    must(!fault("read without waiting") || host[0] != 0, "nothing was copied yet");
    show(host, kLogits);
    ok(cudaMemcpyAsync(host, heat, kHeat * 4, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
    ok(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    show(host, kHeat);
  }
  if (!fault("stream not destroyed")) cudaStreamDestroy(stream);
  if (fault("stream after its end")) cudaStreamSynchronize(stream);
  if (!fault("host memory not freed")) cudaFreeHost(host);
  if (fault("read after cudaFreeHost")) show(host, kHeat);
  cudaFree(in);
  if (fault("freed twice")) cudaFree(in);
  if (!fault("memory not freed")) cudaFree(logits);
  cudaFree(heat);
  if (fault("memory freed before a run")) context->enqueueV3(nullptr);
  if (fault("engine before its context")) delete engine;
  if (!fault("context not deleted")) delete context;
  if (fault("runtime before its engine")) delete runtime;
  if (!fault("engine before its context")) delete engine;
  if (fault("engine after its end")) std::printf("%s\n", name);
  delete runtime;
  return 0;
}
