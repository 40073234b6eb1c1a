// Stands for libmagicmind_runtime.so and libcnrt.so. Open batches, tensors whose memory is the caller's, results after
// cnrtQueueSync.
#pragma GCC visibility push(default)
#include "mm_runtime.h"
#pragma GCC visibility pop

#include <cstdlib>
#include <cstring>

#include "standin.hpp"

STANDIN("magicmind")

using namespace magicmind;
using standin::complain;
using standin::fault;
using standin::ledger;
using standin::of_device;
using standin::Pending;
using standin::Tensor;
using standin::Type;

namespace {

constexpr const char* kMemory = "cnrtMalloc'ed memory";
constexpr const char* kQueue = "cnrtQueue_t";
constexpr const char* kModel = "IModel";
constexpr const char* kEngine = "IEngine";
constexpr const char* kContext = "IContext";
constexpr const char* kTensor = "IRTTensor";

std::map<cnrtQueue_t, std::vector<Pending>>& queues() {
  static auto* all = new std::map<cnrtQueue_t, std::vector<Pending>>;
  return *all;
}

void idle(const void* at, const std::string& call) {
  for (const auto& [queue, all] : queues()) {
    for (const Pending& one : all) one.leaves_alone(at, call, "a run", "cnrtQueueSync");
  }
}

Answer good() { return {0, ""}; }

Answer refused(const std::string& why) {
  static std::string kept;
  kept = why;
  complain(why);
  return {1, kept.c_str()};
}

DataType named(Type type) {
  switch (type) {
    case Type::f16: return DataType::FLOAT16;
    case Type::i8: return DataType::INT8;
    case Type::u8: return DataType::UINT8;
    case Type::i16: return DataType::INT16;
    case Type::u16: return DataType::UINT16;
    case Type::i32: return DataType::INT32;
    case Type::u32: return DataType::UINT32;
    case Type::i64: return DataType::INT64;
    case Type::boolean: return DataType::BOOL;
    default: return DataType::FLOAT32;
  }
}

/// A model with more than one axis has an open batch.
Axes axes_of(const Tensor& tensor, bool open) {
  Axes axes{};
  for (const int axis : tensor.laid()) axes.of[axes.count++] = axis;
  if (open) axes.of[0] = -1;
  return axes;
}

struct RtTensor final : IRTTensor {
  explicit RtTensor(const Tensor& of) : tensor(of) { ledger().born(this, kTensor, "Destroy"); }
  const Tensor& tensor;
  bool shaped = false;
  void* data = nullptr;

  DataType GetDataType() const override { return named(tensor.type); }
  Layout GetLayout() const override {
    if (tensor.shape.size() != 4) return Layout::NONE;
    return tensor.layout == standin::Layout::nhwc ? Layout::NHWC : Layout::NCHW;
  }
  TensorLocation GetMemoryLocation() const override { return TensorLocation::kMLU; }
  std::size_t GetSize() const override {
    ledger().alive(this, kTensor, "GetSize");
    return shaped ? tensor.size() : 0;
  }
  void* GetMutableData() override {
    ledger().alive(this, kTensor, "GetMutableData");
    return data;
  }
  const char* name() const override { return tensor.name.c_str(); }
  Answer set_axes(const std::int64_t* axes, int count) override {
    ledger().alive(this, kTensor, "SetDimensions");
    const std::vector<int> laid = tensor.laid();
    if (!std::equal(laid.begin(), laid.end(), axes, axes + count)) return refused("SetDimensions: " + tensor.name + " is of another shape");
    shaped = true;
    return good();
  }
  Axes axes() const override { return axes_of(tensor, !shaped); }
  Answer set_data(void* at) override {
    ledger().alive(this, kTensor, "SetData");
    data = at;
    return good();
  }
  Answer destroy() override {
    const std::lock_guard held(standin::lock());
    ledger().died(this, kTensor, "IRTTensor::Destroy");
    delete this;
    return good();
  }
};

struct Context final : IContext {
  Context(const IEngine* from, std::shared_ptr<standin::Model> of) : engine(from), model(std::move(of)) {
    ledger().born(this, kContext, "Destroy");
  }
  const IEngine* engine;
  std::shared_ptr<standin::Model> model;

  std::size_t tensor_count(bool outputs) const override {
    ledger().alive(this, kContext, "CreateInputTensors");
    return (outputs ? model->outputs : model->inputs).size();
  }
  IRTTensor* tensor(bool output, std::size_t index) override {
    return new RtTensor((output ? model->outputs : model->inputs)[index]);
  }
  Answer infer(IRTTensor* const* in, std::size_t ins, IRTTensor* const* out, std::size_t outs) override {
    const std::lock_guard held(standin::lock());
    ledger().alive(this, kContext, "InferOutputShape");
    if (ins != model->inputs.size() || outs != model->outputs.size()) return refused("InferOutputShape: another number of tensors");
    for (std::size_t i = 0; i < ins; ++i) {
      ledger().alive(in[i], kTensor, "InferOutputShape");
      if (!static_cast<RtTensor*>(in[i])->shaped) return refused("InferOutputShape: an input without SetDimensions");
    }
    for (std::size_t i = 0; i < outs; ++i) {
      ledger().alive(out[i], kTensor, "InferOutputShape");
      static_cast<RtTensor*>(out[i])->shaped = true;
    }
    return good();
  }
  Answer enqueue(IRTTensor* const* in, std::size_t ins, IRTTensor* const* out, std::size_t outs, cnrtQueue_t queue) override {
    const std::lock_guard held(standin::lock());
    const std::string call = "Enqueue";
    ledger().alive(this, kContext, call);
    ledger().alive(queue, kQueue, call);
    if (ins != model->inputs.size() || outs != model->outputs.size()) return refused(call + ": another number of tensors");
    Pending one{model, {}, {}};
    for (std::size_t i = 0; i < ins + outs; ++i) {
      IRTTensor* given = i < ins ? in[i] : out[i - ins];
      ledger().alive(given, kTensor, call);
      const auto* tensor = static_cast<RtTensor*>(given);
      const Tensor& wanted = i < ins ? model->inputs[i] : model->outputs[i - ins];
      if (&tensor->tensor != &wanted) return refused(call + ": the tensors are not in the model's order");
      if (!tensor->shaped) return refused(call + ": " + wanted.name + " has no shape (SetDimensions, InferOutputShape)");
      if (tensor->data == nullptr) return refused(call + ": " + wanted.name + " has no memory (SetData)");
      if (!of_device(tensor->data)) fault(call + ": the memory of " + wanted.name + " is not the device's");
      if (ledger().room(tensor->data, kMemory, call) < wanted.size()) {
        fault(call + ": the memory of " + wanted.name + " is smaller than " + std::to_string(wanted.size()) + " bytes");
      }
      idle(tensor->data, call);
      if (i < ins) {
        one.in.push_back(tensor->data);
      } else {
        one.out.push_back(tensor->data);
      }
    }
    queues()[queue].push_back(one);
    return good();
  }
  Answer destroy() override {
    const std::lock_guard held(standin::lock());
    ledger().died(this, kContext, "IContext::Destroy");
    if (!ledger().lives(engine, kEngine)) fault("IContext::Destroy: its IEngine was destroyed before");
    delete this;
    return good();
  }
};

struct Engine final : IEngine {
  Engine(const IModel* from, std::shared_ptr<standin::Model> of) : owner(from), model(std::move(of)) {
    ledger().born(this, kEngine, "Destroy");
  }
  const IModel* owner;
  std::shared_ptr<standin::Model> model;

  IContext* CreateIContext() override {
    const std::lock_guard held(standin::lock());
    ledger().alive(this, kEngine, "CreateIContext");
    return new Context(this, model);
  }
  Answer destroy() override {
    const std::lock_guard held(standin::lock());
    ledger().died(this, kEngine, "IEngine::Destroy");
    if (!ledger().lives(owner, kModel)) fault("IEngine::Destroy: its IModel was destroyed before");
    delete this;
    return good();
  }
};

struct Whole final : IModel {
  Whole() { ledger().born(this, kModel, "Destroy"); }
  std::shared_ptr<standin::Model> model;

  Answer load_file(const char* file) override {
    std::vector<unsigned char> bytes;
    if (file == nullptr || !standin::read_file(file, &bytes)) return refused("DeserializeFromFile: no such file");
    return load_memory(bytes.data(), bytes.size());
  }
  Answer load_memory(const void* data, std::size_t size) override {
    const std::lock_guard held(standin::lock());
    ledger().alive(this, kModel, "Deserialize");
    std::string why;
    model = standin::Model::read(data, size, "MAGICMIND", &why);
    return model ? good() : refused("Deserialize: not a MagicMind model: " + why);
  }
  const std::vector<Tensor>& tensors(bool outputs, const std::string& call) const {
    ledger().alive(this, kModel, call);
    if (!model) fault(call + ": nothing was deserialised");
    return outputs ? model->outputs : model->inputs;
  }
  const Tensor& of(bool output, int index) const {
    const std::vector<Tensor>& all = tensors(output, "IModel");
    if (index < 0 || static_cast<std::size_t>(index) >= all.size()) fault("IModel: no tensor of that index");
    return all[static_cast<std::size_t>(index)];
  }
  std::size_t GetInputNum() const override { return tensors(false, "GetInputNum").size(); }
  std::size_t GetOutputNum() const override { return tensors(true, "GetOutputNum").size(); }
  Axes axes(bool output, int index) const override { return axes_of(of(output, index), true); }
  DataType GetInputDataType(int index) const override { return named(of(false, index).type); }
  DataType GetOutputDataType(int index) const override { return named(of(true, index).type); }
  const char* name(bool output, int index) const override { return of(output, index).name.c_str(); }
  IEngine* engine() override {
    const std::lock_guard held(standin::lock());
    ledger().alive(this, kModel, "CreateIEngine");
    return model ? new Engine(this, model) : nullptr;
  }
  Answer destroy() override {
    const std::lock_guard held(standin::lock());
    ledger().died(this, kModel, "IModel::Destroy");
    delete this;
    return good();
  }
};

cnrtRet_t invalid(const std::string& why) {
  complain(why);
  return cnrtErrorArgsInvalid;
}

}  // namespace

IModel* magicmind::CreateIModel() {
  const std::lock_guard held(standin::lock());
  return new Whole;
}

cnrtRet_t cnrtGetDeviceCount(unsigned int* dev_num) {
  *dev_num = 1;
  return cnrtSuccess;
}

cnrtRet_t cnrtSetDevice(int ordinal) { return ordinal == 0 ? cnrtSuccess : invalid("cnrtSetDevice: there is no such device"); }

cnrtRet_t cnrtMalloc(void** pPtr, size_t bytes) {
  const std::lock_guard held(standin::lock());
  if (pPtr == nullptr || bytes == 0) return invalid("cnrtMalloc: NULL, or of size 0");
  void* block = std::malloc(bytes);
  std::memset(block, 0xA5, bytes);  // it is not cleared
  *pPtr = standin::to_device(block);
  ledger().born(*pPtr, kMemory, "cnrtFree", bytes);
  return cnrtSuccess;
}

cnrtRet_t cnrtFree(void* ptr) {
  const std::lock_guard held(standin::lock());
  idle(ptr, "cnrtFree");
  ledger().died(ptr, kMemory, "cnrtFree");
  std::free(standin::from_device(ptr));
  return cnrtSuccess;
}

cnrtRet_t cnrtMemcpy(void* dst, void* src, size_t bytes, cnrtMemTransDir_t dir) {
  const std::lock_guard held(standin::lock());
  const bool to = dir == CNRT_MEM_TRANS_DIR_HOST2DEV || dir == CNRT_MEM_TRANS_DIR_DEV2DEV;
  const bool from = dir == CNRT_MEM_TRANS_DIR_DEV2HOST || dir == CNRT_MEM_TRANS_DIR_DEV2DEV;
  if (of_device(dst) != to || of_device(src) != from) return invalid("cnrtMemcpy: dir says otherwise where the memories are");
  for (void* one : {dst, src}) {
    if (!of_device(one)) continue;
    if (ledger().room(one, kMemory, "cnrtMemcpy") < bytes) return invalid("cnrtMemcpy: more bytes than the memory of the device has");
    idle(one, "cnrtMemcpy");
  }
  std::memcpy(standin::from_device(dst), standin::from_device(src), bytes);
  return cnrtSuccess;
}

cnrtRet_t cnrtQueueCreate(cnrtQueue_t* pQueue) {
  const std::lock_guard held(standin::lock());
  *pQueue = static_cast<cnrtQueue_t>(standin::new_handle());
  queues()[*pQueue] = {};
  ledger().born(*pQueue, kQueue, "cnrtQueueDestroy");
  return cnrtSuccess;
}

cnrtRet_t cnrtQueueSync(cnrtQueue_t queue) {
  const std::lock_guard held(standin::lock());
  ledger().alive(queue, kQueue, "cnrtQueueSync");
  std::vector<Pending> all;
  std::swap(all, queues()[queue]);
  for (const Pending& one : all) one.finish();
  return cnrtSuccess;
}

cnrtRet_t cnrtQueueDestroy(cnrtQueue_t queue) {
  const std::lock_guard held(standin::lock());
  ledger().died(queue, kQueue, "cnrtQueueDestroy");
  if (!queues()[queue].empty()) fault("cnrtQueueDestroy: what is in it was not waited for (cnrtQueueSync)");
  queues().erase(queue);
  return cnrtSuccess;
}
