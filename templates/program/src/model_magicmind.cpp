// Cambricon's MagicMind, by contract only. Each call after "MagicMind User Guide", C++ API, and "CNRT User Guide", in the
// order of the vendor's samples (Cambricon/magicmind_cloud, buildin/cpp_common). Its interface passes std::vector and
// std::string, so that this is compiled by a gcc and linked to the library, and not loaded by its name.
#include <cnrt.h>
#include <mm_runtime.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "native_tensor.hpp"

namespace edgepack::program {

namespace {

constexpr int kDevice = 0;  // the first card

void check(const magicmind::Status& status, const std::string& what) {
  if (status.ok()) return;
  throw ModelError("MagicMind cannot " + what + ": " + status.error_message());
}

/// The numbers of CNRT's errors are the headers' own: only the number is told.
void check(cnrtRet_t code, const std::string& what) {
  if (code == cnrtSuccess) return;
  throw ModelError("CNRT cannot " + what + " (" + std::to_string(static_cast<int>(code)) + ")");
}

/// What is ended by its own Destroy.
struct Destroyed {
  template <class Object>
  void operator()(Object* object) const {
    object->Destroy();
  }
};
template <class Object>
using Owned = std::unique_ptr<Object, Destroyed>;

template <class Object>
Owned<Object> owned(Object* object, const std::string& what) {
  if (object == nullptr) throw ModelError("MagicMind cannot " + what);
  return Owned<Object>(object);
}

/// This thread's device, and what is worked on in order.
struct Queue {
  Queue() {
    check(cnrtSetDevice(kDevice), "open the card " + std::to_string(kDevice));
    check(cnrtQueueCreate(&handle), "make a queue");
  }
  ~Queue() { cnrtQueueDestroy(handle); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  cnrtQueue_t handle = nullptr;
};

/// A tensor of the model, its memory on the card, and the same here.
class Place {
 public:
  Place(magicmind::IRTTensor* tensor, const TensorInfo& info) : tensor_(tensor), info_(info) {}
  ~Place() {
    if (memory_ != nullptr) cnrtFree(memory_);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  /// When its shape is known: as the trained model has it, but for the order of its axes and a batch of one.
  void prepare();
  magicmind::IRTTensor* tensor() const { return tensor_.get(); }
  NativeTensor& native() { return *native_; }

  void send() {
    check(cnrtMemcpy(memory_, native_->data(), native_->size(), CNRT_MEM_TRANS_DIR_HOST2DEV), "copy the input");
  }
  void fetch() {
    check(cnrtMemcpy(native_->data(), memory_, native_->size(), CNRT_MEM_TRANS_DIR_DEV2HOST), "copy an output");
  }

 private:
  Owned<magicmind::IRTTensor> tensor_;
  TensorInfo info_;
  std::unique_ptr<NativeTensor> native_;
  void* memory_ = nullptr;
};

Kind kind_of(magicmind::DataType type, const std::string& tensor) {
  switch (type) {
    case magicmind::DataType::FLOAT32: return Kind::float32;
    case magicmind::DataType::FLOAT16: return Kind::float16;
    case magicmind::DataType::INT8: return Kind::int8;
    case magicmind::DataType::UINT8: return Kind::uint8;
    case magicmind::DataType::INT16: return Kind::int16;
    case magicmind::DataType::UINT16: return Kind::uint16;
    case magicmind::DataType::INT32: return Kind::int32;
    case magicmind::DataType::INT64: return Kind::int64;
    default:
      throw ModelError(tensor + " is of a type that is not read here (" + std::to_string(static_cast<int>(type)) + ")");
  }
}

void Place::prepare() {
  const std::vector<std::int64_t> axes = tensor_->GetDimensions().GetDims();
  require_count(elements(axes), info_);
  // What has no order of axes, or is no image, lies as it was trained.
  info_.channels_last = tensor_->GetLayout() == magicmind::Layout::NHWC && info_.shape.size() > 1;
  native_ = std::make_unique<NativeTensor>(info_, kind_of(tensor_->GetDataType(), info_.tensor));
  if (tensor_->GetSize() != native_->size()) {
    throw ModelError(info_.tensor + " has " + std::to_string(tensor_->GetSize()) + " bytes, " +
                     std::to_string(native_->size()) + " were expected");
  }
  check(cnrtMalloc(&memory_, native_->size()), "allocate " + info_.tensor);
  check(tensor_->SetData(memory_), "take memory for " + info_.tensor);
}

class MagicMindModel : public Model {
 public:
  MagicMindModel(const std::string& folder, const Config& config)
      : file_(folder + "/model.mm"), model_(owned(magicmind::CreateIModel(), "start")) {
    std::vector<unsigned char> bytes = model_bytes(file_);
    check(model_->DeserializeFromMemory(bytes.data(), bytes.size()), "load " + file_);
    if (model_->GetInputNum() != 1 || model_->GetOutputNum() != config.outputs.size()) {
      throw ModelError(file_ + ": has " + std::to_string(model_->GetInputNum()) + " inputs and " +
                       std::to_string(model_->GetOutputNum()) + " outputs, 1 and " +
                       std::to_string(config.outputs.size()) + " were expected");
    }
    engine_ = owned(model_->CreateIEngine(), "prepare " + file_);
    context_ = owned(engine_->CreateIContext(), "prepare " + file_);
    take(config);
    std::vector<std::int64_t> axes = model_->GetInputDimension(0).GetDims();
    if (!axes.empty() && axes[0] < 0) axes[0] = 1;  // a batch of any size: one image
    check(ins_[0]->SetDimensions(magicmind::Dims(axes)), "take one image");
    check(context_->InferOutputShape(ins_, outs_), "say the shapes of " + file_);
    for (const auto& place : places_) place->prepare();
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    check(cnrtSetDevice(kDevice), "open the card");  // of each thread its own
    Place& in = *places_.front();
    require_fits(input, in.native().info());
    in.native().take(input);
    in.send();
    check(context_->Enqueue(ins_, outs_, queue_.handle), "compute the model");
    check(cnrtQueueSync(queue_.handle), "compute the model");  // Enqueue returns at once
    std::vector<Tensor> results;
    for (std::size_t i = 1; i < places_.size(); ++i) {
      places_[i]->fetch();
      results.push_back(places_[i]->native().give());
    }
    return results;
  }

 private:
  /// The context's tensors, each owned from the first moment on.
  void take(const Config& config) {
    check(context_->CreateInputTensors(&ins_), "make the input");
    for (magicmind::IRTTensor* one : ins_) places_.push_back(std::make_unique<Place>(one, config.input));
    check(context_->CreateOutputTensors(&outs_), "make the outputs");
    for (std::size_t i = 0; i < outs_.size(); ++i) {
      // In the order of the model, which is that of the trained one.
      places_.push_back(std::make_unique<Place>(outs_[i], config.outputs.at(i)));
    }
  }

  std::string file_;
  Queue queue_;
  // In this order: what was made last is ended first.
  Owned<magicmind::IModel> model_;
  Owned<magicmind::IEngine> engine_;
  Owned<magicmind::IContext> context_;
  std::vector<std::unique_ptr<Place>> places_;  // the input, then the outputs
  std::vector<magicmind::IRTTensor*> ins_, outs_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<MagicMindModel>(folder, config);
}

}  // namespace edgepack::program
