#include <onnxruntime_c_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime_library.hpp"
#include "sealed.hpp"
#include "shapes.hpp"

namespace edgepack::program {

namespace {

constexpr std::uint32_t kApiVersion = 16;  // ONNX Runtime 1.16; every later release answers to it
constexpr const char* kLibrary = "libonnxruntime.so.1";

const OrtApi* load_api(const std::string& folder) {
  const RuntimeLibrary library("ONNX Runtime", {folder + "/../lib/" + kLibrary});
  const OrtApiBase* base = library.function<decltype(OrtGetApiBase)>("OrtGetApiBase")();
  const OrtApi* api = base->GetApi(kApiVersion);
  if (api == nullptr) {
    throw ModelError("ONNX Runtime " + std::string(base->GetVersionString()) + " has no API version " +
                     std::to_string(kApiVersion));
  }
  return api;
}

class OnnxRuntimeModel : public Model {
 public:
  OnnxRuntimeModel(const std::string& folder, const Config& config)
      : api_(load_api(folder)),
        input_(config.input),
        outputs_(config.outputs),
        file_(folder + "/model.onnx"),
        env_(nullptr, api_->ReleaseEnv),
        memory_(nullptr, api_->ReleaseMemoryInfo),
        session_(nullptr, api_->ReleaseSession) {
    OrtEnv* env = nullptr;
    check(api_->CreateEnv(ORT_LOGGING_LEVEL_ERROR, config.name.c_str(), &env), "start");
    env_.reset(env);
    OrtMemoryInfo* memory = nullptr;
    check(api_->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory), "allocate");
    memory_.reset(memory);
    open(config.threads);
    shape_ = input_shape();
    const std::vector<std::string> given = names(false);
    for (const TensorInfo& output : outputs_) {
      if (std::find(given.begin(), given.end(), output.blob) == given.end()) {
        throw ModelError(file_ + ": has no output " + output.blob);
      }
      output_names_.push_back(output.blob.c_str());
    }
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    require_fits(input, input_);
    // The API takes no pointer to const; an input is not written to.
    auto* data = const_cast<float*>(input.data.data());
    OrtValue* raw = nullptr;
    check(api_->CreateTensorWithDataAsOrtValue(memory_.get(), data, input.data.size() * sizeof(float),
                                               shape_.data(), shape_.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
                                               &raw),
          "take the input");
    const Value in(raw, api_->ReleaseValue);
    const char* const input_name = input_.blob.c_str();
    const OrtValue* const ins[] = {in.get()};
    std::vector<OrtValue*> outs(outputs_.size(), nullptr);
    OrtStatus* status = api_->Run(session_.get(), nullptr, &input_name, ins, 1, output_names_.data(),
                                  output_names_.size(), outs.data());
    std::vector<Value> kept;
    for (OrtValue* out : outs) kept.emplace_back(out, api_->ReleaseValue);
    check(status, "compute the model");
    std::vector<Tensor> results;
    for (std::size_t i = 0; i < outputs_.size(); ++i) results.push_back(copied(kept[i].get(), outputs_[i]));
    return results;
  }

 private:
  template <class T>
  using Owned = std::unique_ptr<T, void (*)(T*)>;
  using Value = Owned<OrtValue>;
  using Info = Owned<OrtTensorTypeAndShapeInfo>;

  void check(OrtStatus* status, const std::string& what) const {
    if (status == nullptr) return;
    const Owned<OrtStatus> owned(status, api_->ReleaseStatus);
    throw ModelError("ONNX Runtime cannot " + what + ": " + api_->GetErrorMessage(status));
  }

  void open(int threads) {
    OrtSessionOptions* raw = nullptr;
    check(api_->CreateSessionOptions(&raw), "start");
    const Owned<OrtSessionOptions> options(raw, api_->ReleaseSessionOptions);
    check(api_->SetIntraOpNumThreads(raw, threads), "set its threads");  // 0: one a core
    check(api_->SetInterOpNumThreads(raw, 1), "set its threads");
    // A box has other things to do than to wait in a loop for the next image.
    check(api_->AddSessionConfigEntry(raw, "session.intra_op.allow_spinning", "0"), "set its threads");
    OrtSession* session = nullptr;
    const HiddenMemory plain = unsealed(file_);  // the session keeps nothing of it
    check(plain.there() ? api_->CreateSessionFromArray(env_.get(), plain.data(), plain.size(), raw, &session)
                        : api_->CreateSession(env_.get(), file_.c_str(), raw, &session),
          "read " + file_);
    session_.reset(session);
  }

  std::vector<std::string> names(bool inputs) const {
    OrtAllocator* allocator = nullptr;
    check(api_->GetAllocatorWithDefaultOptions(&allocator), "allocate");
    std::size_t count = 0;
    check(inputs ? api_->SessionGetInputCount(session_.get(), &count)
                 : api_->SessionGetOutputCount(session_.get(), &count),
          "name the model's tensors");
    std::vector<std::string> found;
    for (std::size_t i = 0; i < count; ++i) {
      char* name = nullptr;
      check(inputs ? api_->SessionGetInputName(session_.get(), i, allocator, &name)
                   : api_->SessionGetOutputName(session_.get(), i, allocator, &name),
            "name the model's tensors");
      found.emplace_back(name);
      check(api_->AllocatorFree(allocator, name), "free a name");
    }
    return found;
  }

  /// The shape that the model wants, with its batch axis.
  std::vector<std::int64_t> input_shape() const {
    const std::vector<std::string> given = names(true);
    const auto at = std::find(given.begin(), given.end(), input_.blob);
    if (at == given.end() || given.size() != 1) {
      throw ModelError(file_ + ": has not the one input " + input_.blob);
    }
    OrtTypeInfo* raw = nullptr;
    check(api_->SessionGetInputTypeInfo(session_.get(), 0, &raw), "describe the input");
    const Owned<OrtTypeInfo> type(raw, api_->ReleaseTypeInfo);
    const OrtTensorTypeAndShapeInfo* info = nullptr;
    check(api_->CastTypeInfoToTensorInfo(raw, &info), "describe the input");
    if (info == nullptr) throw ModelError(file_ + ": " + input_.blob + " is not a tensor");
    require_floats(info, input_.blob);
    std::size_t axes = 0;
    check(api_->GetDimensionsCount(info, &axes), "describe the input");
    std::vector<std::int64_t> shape(axes);
    check(api_->GetDimensions(info, shape.data(), axes), "describe the input");
    if (!shape.empty() && shape.front() < 0) shape.front() = 1;  // a batch of any size: one image
    std::int64_t count = 1;
    for (const std::int64_t axis : shape) count *= axis;
    if (count != static_cast<std::int64_t>(elements(input_.shape))) {
      throw ModelError(file_ + ": " + input_.blob + " is " + words(shape) + ", " + words(input_.shape) +
                       " was expected");
    }
    return shape;
  }

  void require_floats(const OrtTensorTypeAndShapeInfo* info, const std::string& name) const {
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    check(api_->GetTensorElementType(info, &type), "describe " + name);
    if (type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) throw ModelError(file_ + ": " + name + " is not float32");
  }

  Tensor copied(OrtValue* value, const TensorInfo& output) const {
    OrtTensorTypeAndShapeInfo* raw = nullptr;
    check(api_->GetTensorTypeAndShape(value, &raw), "describe " + output.tensor);
    const Info info(raw, api_->ReleaseTensorTypeAndShapeInfo);
    require_floats(raw, output.tensor);
    std::size_t count = 0;
    check(api_->GetTensorShapeElementCount(raw, &count), "describe " + output.tensor);
    require_count(count, output);
    void* data = nullptr;
    check(api_->GetTensorMutableData(value, &data), "give " + output.tensor);
    const auto* floats = static_cast<const float*>(data);
    return Tensor{output.shape, std::vector<float>(floats, floats + count)};
  }

  const OrtApi* api_;
  TensorInfo input_;
  std::vector<TensorInfo> outputs_;
  std::string file_;
  Owned<OrtEnv> env_;
  Owned<OrtMemoryInfo> memory_;
  Owned<OrtSession> session_;
  std::vector<std::int64_t> shape_;
  std::vector<const char*> output_names_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<OnnxRuntimeModel>(folder, config);
}

}  // namespace edgepack::program
