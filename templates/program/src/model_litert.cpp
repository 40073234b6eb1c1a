#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "runtime_library.hpp"
#include "sealed.hpp"
#include "shapes.hpp"

// What is called of LiteRT's C API, declared here, as its package holds no headers: litert/c/litert_*.h of LiteRT 2.
// Handles are opaque; of a tensor's type, layout and element type the headers say that they are stable.
struct LiteRtEnvironmentT;
struct LiteRtModelT;
struct LiteRtOptionsT;
struct LiteRtOpaqueOptionsT;
struct LiteRtCompiledModelT;
struct LiteRtSignatureT;
struct LiteRtTensorT;
struct LiteRtTensorBufferT;
struct LiteRtTensorBufferRequirementsT;

extern "C" {

/// litert_layout.h, litert_model_types.h.
struct LiteRtRankedTensorType {
  int element_type;  // 1: float32
  unsigned int rank : 7;
  bool has_strides : 1;
  std::int32_t dimensions[8];
  std::uint32_t strides[8];
};
static_assert(sizeof(LiteRtRankedTensorType) == 72, "as litert_model_types.h asserts");

}  // extern "C"

namespace edgepack::program {

namespace {

constexpr int kFloat32 = 1;             // LiteRtElementType
constexpr int kCpu = 1;                 // LiteRtHwAccelerators
constexpr int kRead = 0, kWrite = 1;    // LiteRtTensorBufferLockMode
constexpr std::size_t kSignature = 0;   // a converted model has one
constexpr const char* kCpuOptions = "xnnpack";  // their identifier: litert/c/options/litert_cpu_options.cc

using Status = int;  // LiteRtStatus; 0 is success
template <class Function>
using Pointer = Function*;

struct Api {
  explicit Api(const std::string& folder)
      : library("LiteRT", {with_companions(folder, {"libgcc_s.so.1", "libstdc++.so.6"}) + "/../lib/libLiteRt.so"}) {}

  RuntimeLibrary library;
#define EDGEPACK_FUNCTION(name, ...) Pointer<__VA_ARGS__> const name = library.function<__VA_ARGS__>("LiteRt" #name)
  using CreateEnvironmentType = Status(int, const void*, LiteRtEnvironmentT**);
  using CreateModelType = Status(LiteRtEnvironmentT*, const char*, LiteRtModelT**);  // older ones: no environment
  using CreateFromBufferType = Status(LiteRtEnvironmentT*, const void*, std::size_t, LiteRtModelT**);
  using CreateCompiledType = Status(LiteRtEnvironmentT*, LiteRtModelT*, LiteRtOptionsT*, LiteRtCompiledModelT**);
  using CreateOpaqueType = Status(const char*, void*, void (*)(void*), LiteRtOpaqueOptionsT**);
  using CountType = Status(LiteRtSignatureT*, std::size_t*);
  using NameType = Status(LiteRtSignatureT*, std::size_t, const char**);
  using TensorType = Status(LiteRtSignatureT*, std::size_t, LiteRtTensorT**);
  using RequirementsType = Status(LiteRtCompiledModelT*, std::size_t, std::size_t, LiteRtTensorBufferRequirementsT**);
  using CreateBufferType = Status(LiteRtEnvironmentT*, const LiteRtRankedTensorType*, LiteRtTensorBufferRequirementsT*,
                                  LiteRtTensorBufferT**);
  using RunType = Status(LiteRtCompiledModelT*, std::size_t, std::size_t, LiteRtTensorBufferT**, std::size_t,
                         LiteRtTensorBufferT**);
  // litert_environment.h, litert_model.h, litert_options.h, litert_opaque_options.h
  EDGEPACK_FUNCTION(CreateEnvironment, CreateEnvironmentType);
  EDGEPACK_FUNCTION(DestroyEnvironment, void(LiteRtEnvironmentT*));
  EDGEPACK_FUNCTION(CreateModelFromFile, CreateModelType);
  EDGEPACK_FUNCTION(CreateModelFromBuffer, CreateFromBufferType);
  EDGEPACK_FUNCTION(DestroyModel, void(LiteRtModelT*));
  EDGEPACK_FUNCTION(GetModelSignature, Status(LiteRtModelT*, std::size_t, LiteRtSignatureT**));
  EDGEPACK_FUNCTION(GetNumSignatureInputs, CountType);
  EDGEPACK_FUNCTION(GetNumSignatureOutputs, CountType);
  EDGEPACK_FUNCTION(GetSignatureInputName, NameType);
  EDGEPACK_FUNCTION(GetSignatureOutputName, NameType);
  EDGEPACK_FUNCTION(GetSignatureInputTensorByIndex, TensorType);
  EDGEPACK_FUNCTION(GetSignatureOutputTensorByIndex, TensorType);
  EDGEPACK_FUNCTION(GetRankedTensorType, Status(LiteRtTensorT*, LiteRtRankedTensorType*));
  EDGEPACK_FUNCTION(CreateOptions, Status(LiteRtOptionsT**));
  EDGEPACK_FUNCTION(DestroyOptions, void(LiteRtOptionsT*));
  EDGEPACK_FUNCTION(SetOptionsHardwareAccelerators, Status(LiteRtOptionsT*, int));
  EDGEPACK_FUNCTION(CreateOpaqueOptions, CreateOpaqueType);
  EDGEPACK_FUNCTION(AddOpaqueOptions, Status(LiteRtOptionsT*, LiteRtOpaqueOptionsT*));
  // litert_compiled_model.h, litert_tensor_buffer.h
  EDGEPACK_FUNCTION(CreateCompiledModel, CreateCompiledType);
  EDGEPACK_FUNCTION(DestroyCompiledModel, void(LiteRtCompiledModelT*));
  EDGEPACK_FUNCTION(GetCompiledModelInputBufferRequirements, RequirementsType);
  EDGEPACK_FUNCTION(GetCompiledModelOutputBufferRequirements, RequirementsType);
  EDGEPACK_FUNCTION(RunCompiledModel, RunType);
  EDGEPACK_FUNCTION(CreateManagedTensorBufferFromRequirements, CreateBufferType);
  EDGEPACK_FUNCTION(DestroyTensorBuffer, void(LiteRtTensorBufferT*));
  EDGEPACK_FUNCTION(GetTensorBufferPackedSize, Status(LiteRtTensorBufferT*, std::size_t*));
  EDGEPACK_FUNCTION(LockTensorBuffer, Status(LiteRtTensorBufferT*, void**, int));
  EDGEPACK_FUNCTION(UnlockTensorBuffer, Status(LiteRtTensorBufferT*));
#undef EDGEPACK_FUNCTION
};

/// LiteRtStatus in litert_common.h.
std::string said(Status status) {
  switch (status) {
    case 1: return "invalid argument";
    case 2: return "not enough memory";
    case 3: return "it failed while it ran";
    case 4: return "an input is missing";
    case 5: return "not supported";
    case 6: return "not found";
    case 500: return "the file cannot be read";
    case 501: return "it is no TFLite model";
    case 504: return "it does not compile";
    default: return "status";
  }
}

class LiteRtModel : public Model {
 public:
  LiteRtModel(const std::string& folder, const Config& config)
      : api_(folder),
        input_(config.input),
        outputs_(config.outputs),
        file_(folder + "/model.tflite"),
        environment_(nullptr, api_.DestroyEnvironment),
        model_(nullptr, api_.DestroyModel),
        compiled_(nullptr, api_.DestroyCompiledModel) {
    LiteRtEnvironmentT* environment = nullptr;
    check(api_.CreateEnvironment(0, nullptr, &environment), "start");
    environment_.reset(environment);
    LiteRtModelT* model = nullptr;
    plain_ = unsealed(file_);
    check(plain_.there() ? api_.CreateModelFromBuffer(environment, plain_.data(), plain_.size(), &model)
                         : api_.CreateModelFromFile(environment, file_.c_str(), &model),
          "read " + file_);
    model_.reset(model);
    compile(config.threads);
    allocate();
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    require_fits(input, input_);
    {
      const Locked locked(*this, in_.front().get(), kWrite, input_);
      to_native(input.data.data(), input_, locked.floats());
    }
    LiteRtTensorBufferT* ins[] = {in_.front().get()};
    std::vector<LiteRtTensorBufferT*> outs;
    for (const Buffer& buffer : out_) outs.push_back(buffer.get());
    check(api_.RunCompiledModel(compiled_.get(), kSignature, 1, ins, outs.size(), outs.data()), "compute the model");
    std::vector<Tensor> results;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const Locked locked(*this, out_[place_[i]].get(), kRead, outputs_[i]);
      results.push_back(from_native(locked.floats(), outputs_[i]));
    }
    return results;
  }

 private:
  template <class T>
  using Owned = std::unique_ptr<T, void (*)(T*)>;
  using Buffer = Owned<LiteRtTensorBufferT>;

  /// A buffer's memory, for as long as this lives.
  class Locked {
   public:
    Locked(const LiteRtModel& model, LiteRtTensorBufferT* buffer, int mode, const TensorInfo& info)
        : model_(model), buffer_(buffer) {
      std::size_t size = 0;
      model.check(model.api_.GetTensorBufferPackedSize(buffer, &size), "describe " + info.tensor);
      require_count(size / sizeof(float), info);
      model.check(model.api_.LockTensorBuffer(buffer, &memory_, mode), "give " + info.tensor);
    }
    ~Locked() { model_.api_.UnlockTensorBuffer(buffer_); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

    float* floats() const { return static_cast<float*>(memory_); }

   private:
    const LiteRtModel& model_;
    LiteRtTensorBufferT* buffer_;
    void* memory_ = nullptr;
  };

  void check(Status status, const std::string& what) const {
    if (status != 0) {
      throw ModelError("LiteRT cannot " + what + ": " + said(status) + " (" + std::to_string(status) + ")");
    }
  }

  void compile(int threads) {
    LiteRtOptionsT* raw = nullptr;
    check(api_.CreateOptions(&raw), "start");
    const Owned<LiteRtOptionsT> options(raw, api_.DestroyOptions);
    check(api_.SetOptionsHardwareAccelerators(raw, kCpu), "choose the processor");
    if (threads > 0) {  // else one
      const std::string text = "num_threads = " + std::to_string(threads) + "\n";
      auto copy = std::make_unique<char[]>(text.size() + 1);
      std::memcpy(copy.get(), text.c_str(), text.size() + 1);
      LiteRtOpaqueOptionsT* cpu = nullptr;
      check(api_.CreateOpaqueOptions(kCpuOptions, copy.get(), [](void* payload) { delete[] static_cast<char*>(payload); },
                                     &cpu),
            "set its threads");
      copy.release();  // NOLINT: it is the options' now, and those are the other options'
      check(api_.AddOpaqueOptions(raw, cpu), "set its threads");
    }
    LiteRtCompiledModelT* compiled = nullptr;
    check(api_.CreateCompiledModel(environment_.get(), model_.get(), raw, &compiled), "compile " + file_);
    compiled_.reset(compiled);
  }

  /// A buffer for each tensor of the model, and which of them are the outputs that are asked for.
  void allocate() {
    LiteRtSignatureT* signature = nullptr;
    check(api_.GetModelSignature(model_.get(), kSignature, &signature), "find the names in " + file_);
    std::size_t inputs = 0, outputs = 0;
    check(api_.GetNumSignatureInputs(signature, &inputs), "describe " + file_);
    check(api_.GetNumSignatureOutputs(signature, &outputs), "describe " + file_);
    const char* name = nullptr;
    if (inputs == 1) check(api_.GetSignatureInputName(signature, 0, &name), "describe " + file_);
    if (inputs != 1 || input_.blob != name) throw ModelError(file_ + ": has not the one input " + input_.blob);
    in_.push_back(buffer(signature, 0, true, input_.blob));
    require_type(signature, 0, true, input_);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < outputs; ++i) {
      check(api_.GetSignatureOutputName(signature, i, &name), "describe " + file_);
      names.emplace_back(name);
      out_.push_back(buffer(signature, i, false, name));
    }
    for (const TensorInfo& output : outputs_) {
      const auto at = std::find(names.begin(), names.end(), output.blob);
      if (at == names.end()) throw ModelError(file_ + ": has no output " + output.blob);
      place_.push_back(static_cast<std::size_t>(at - names.begin()));
      require_type(signature, place_.back(), false, output);
    }
  }

  LiteRtRankedTensorType type_of(LiteRtSignatureT* signature, std::size_t index, bool input,
                                 const std::string& name) const {
    LiteRtTensorT* tensor = nullptr;
    check(input ? api_.GetSignatureInputTensorByIndex(signature, index, &tensor)
                : api_.GetSignatureOutputTensorByIndex(signature, index, &tensor),
          "describe " + name);
    LiteRtRankedTensorType type{};
    check(api_.GetRankedTensorType(tensor, &type), "describe " + name);
    return type;
  }

  void require_type(LiteRtSignatureT* signature, std::size_t index, bool input, const TensorInfo& info) const {
    const LiteRtRankedTensorType type = type_of(signature, index, input, info.blob);
    if (type.element_type != kFloat32) throw ModelError(file_ + ": " + info.blob + " is not float32");
    const std::vector<std::int32_t> shape(type.dimensions, type.dimensions + std::min(type.rank, 8u));
    if (elements(shape) != elements(info.shape)) {
      throw ModelError(file_ + ": " + info.blob + " is " + words(shape) + ", " + words(info.shape) + " was expected");
    }
  }

  Buffer buffer(LiteRtSignatureT* signature, std::size_t index, bool input, const std::string& name) const {
    const LiteRtRankedTensorType type = type_of(signature, index, input, name);
    LiteRtTensorBufferRequirementsT* wanted = nullptr;  // the compiled model's
    check(input ? api_.GetCompiledModelInputBufferRequirements(compiled_.get(), kSignature, index, &wanted)
                : api_.GetCompiledModelOutputBufferRequirements(compiled_.get(), kSignature, index, &wanted),
          "describe " + name);
    LiteRtTensorBufferT* made = nullptr;
    check(api_.CreateManagedTensorBufferFromRequirements(environment_.get(), &type, wanted, &made), "allocate " + name);
    return {made, api_.DestroyTensorBuffer};
  }

  Api api_;
  TensorInfo input_;
  std::vector<TensorInfo> outputs_;
  std::string file_;
  HiddenMemory plain_;  // which the model stays in
  // In this order: what was made last is freed first.
  Owned<LiteRtEnvironmentT> environment_;
  Owned<LiteRtModelT> model_;
  Owned<LiteRtCompiledModelT> compiled_;
  std::vector<Buffer> in_, out_;
  std::vector<std::size_t> place_;  // of each output in `out_`
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<LiteRtModel>(folder, config);
}

}  // namespace edgepack::program
