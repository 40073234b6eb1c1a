// Stands for libcviruntime.so. Tensors have four axes, whatever the model has, as with the real one; their memory is the
// model's, or what CVI_NN_SetTensorPtr named. What it has return codes for gets them; what it asserts is a fault.
#pragma GCC visibility push(default)
#include "cviruntime.h"
#pragma GCC visibility pop

#include <algorithm>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

#include "standin.hpp"

STANDIN("cviruntime")

using standin::complain;
using standin::fault;
using standin::ledger;
using standin::Tensor;
using standin::Type;

namespace {

constexpr const char* kModel = "CVI_MODEL_HANDLE";
constexpr const char* kTensor = "CVI_TENSOR";
constexpr const char* kTask = "task of CVI_NN_ForwardAsync";
constexpr std::size_t kAxes = 4;

/// One handle. Clones share the model, and have tensors of their own.
struct Instance {
  std::shared_ptr<standin::Model> model;
  CVI_TENSOR* in = nullptr;  // both nullptr until they were asked for
  CVI_TENSOR* out = nullptr;
  std::vector<void*> memory;                                             // what tensors point to
  std::map<void*, std::pair<const CVI_TENSOR*, const CVI_TENSOR*>> tasks;  // asked for, not waited for
};

std::map<CVI_MODEL_HANDLE, Instance>& instances() {
  static auto* all = new std::map<CVI_MODEL_HANDLE, Instance>;
  return *all;
}

CVI_RC refused(CVI_RC code, const std::string& why) {
  complain(why);
  return code;
}

Instance& instance(CVI_MODEL_HANDLE model, const std::string& call) {
  ledger().alive(model, kModel, call);
  return instances()[model];
}

bool named(Type type, CVI_FMT* into) {
  switch (type) {
    case Type::f32: *into = CVI_FMT_FP32; return true;
    case Type::bf16: *into = CVI_FMT_BF16; return true;
    case Type::i8: *into = CVI_FMT_INT8; return true;
    case Type::u8: *into = CVI_FMT_UINT8; return true;
    case Type::i16: *into = CVI_FMT_INT16; return true;
    case Type::u16: *into = CVI_FMT_UINT16; return true;
    case Type::i32: *into = CVI_FMT_INT32; return true;
    case Type::u32: *into = CVI_FMT_UINT32; return true;
    default: return false;  // the chip has no other
  }
}

CVI_RC registered(const std::vector<unsigned char>& bytes, CVI_MODEL_HANDLE* into, const std::string& call) {
  std::string why;
  Instance made;
  made.model = standin::Model::read(bytes.data(), bytes.size(), "CviModel", &why);
  if (!made.model) return refused(CVI_RC_FAILURE, call + ": not a cvimodel: " + why);
  CVI_FMT known{};
  for (const std::vector<Tensor>* all : {&made.model->inputs, &made.model->outputs}) {
    for (const Tensor& tensor : *all) {
      if (!named(tensor.type, &known)) return refused(CVI_RC_UNSUPPORT, call + ": " + tensor.name + " is of no type of the chip's");
    }
  }
  *into = standin::new_handle();
  instances()[*into] = std::move(made);
  ledger().born(*into, kModel, "CVI_NN_CleanupModel");
  return CVI_RC_SUCCESS;
}

CVI_TENSOR* described(Instance* of, const std::vector<Tensor>& tensors, bool inputs) {
  auto* all = static_cast<CVI_TENSOR*>(std::calloc(tensors.size(), sizeof(CVI_TENSOR)));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    CVI_TENSOR& one = all[i];
    one.name = const_cast<char*>(tensor.name.c_str());
    const std::vector<int> laid = tensor.laid();
    one.shape.dim_size = std::max(kAxes, laid.size());
    std::fill(one.shape.dim, one.shape.dim + one.shape.dim_size, 1);
    std::copy(laid.begin(), laid.end(), one.shape.dim);
    named(tensor.type, &one.fmt);
    one.count = tensor.count();
    one.mem_size = tensor.size();
    one.sys_mem = static_cast<std::uint8_t*>(std::calloc(1, tensor.size()));
    one.mem_type = CVI_MEM_SYSTEM;
    one.qscale = !tensor.quantised() ? 1.0F : inputs ? 1.0F / tensor.scale : tensor.scale;
    one.zero_point = tensor.zero;
    one.pixel_format = CVI_NN_PIXEL_TENSOR;
    one.owner = of;
    of->memory.push_back(one.sys_mem);
    ledger().born(&one, kTensor, "CVI_NN_CleanupModel of its model");
  }
  return all;
}

/// The arrays are to be those that CVI_NN_GetInputOutputTensors gave, all of them, with what it said of them.
CVI_RC right(const Instance& of, const CVI_TENSOR* in, std::int32_t ins, const CVI_TENSOR* out, std::int32_t outs,
             const std::string& call) {
  if (of.in == nullptr || of.out == nullptr) fault(call + ": before CVI_NN_GetInputOutputTensors");
  if (ins != static_cast<std::int32_t>(of.model->inputs.size()) || outs != static_cast<std::int32_t>(of.model->outputs.size())) {
    return refused(CVI_RC_INVALID_ARG, call + ": another number of tensors");
  }
  if (in != of.in || out != of.out) fault(call + ": these are not the tensors that CVI_NN_GetInputOutputTensors gave");
  const auto whole = [&](const CVI_TENSOR* all, const std::vector<Tensor>& tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      ledger().alive(&all[i], kTensor, call);
      CVI_FMT fmt{};
      named(tensors[i].type, &fmt);
      if (all[i].fmt != fmt || all[i].mem_size != tensors[i].size()) {
        fault(call + ": " + tensors[i].name + " was given another type or size");
      }
      if (all[i].mem_type != CVI_MEM_SYSTEM) fault(call + ": " + tensors[i].name + " has no memory of the system");
    }
  };
  whole(in, of.model->inputs);
  whole(out, of.model->outputs);
  return CVI_RC_SUCCESS;
}

void compute(const Instance& of, const CVI_TENSOR* in, const CVI_TENSOR* out) {
  // A copy first, and the results last: a sanitizer of the caller's sees memory of his that is too short, or was freed.
  std::vector<std::vector<unsigned char>> given, results;
  std::vector<const void*> from;
  std::vector<void*> to;
  for (std::size_t i = 0; i < of.model->inputs.size(); ++i) {
    given.emplace_back(in[i].mem_size);
    standin::copy(given.back().data(), in[i].sys_mem, in[i].mem_size);
  }
  for (std::size_t i = 0; i < of.model->outputs.size(); ++i) results.emplace_back(out[i].mem_size);
  for (const auto& one : given) from.push_back(one.data());
  for (auto& one : results) to.push_back(one.data());
  of.model->run(from, to);
  if (standin::lie("nothing-written")) return;
  for (std::size_t i = 0; i < results.size(); ++i) standin::copy(out[i].sys_mem, results[i].data(), results[i].size());
}

void untasked(const CVI_TENSOR* tensor, const std::string& call) {
  ledger().alive(tensor, kTensor, call);
  for (const auto& [task, of] : static_cast<Instance*>(tensor->owner)->tasks) {
    if (ledger().lives(task, kTask)) fault(call + ": a run of its model was not waited for (CVI_NN_ForwardWait)");
  }
}

}  // namespace

CVI_RC CVI_NN_RegisterModel(const char* model_file, CVI_MODEL_HANDLE* model) {
  const std::lock_guard held(standin::lock());
  if (model_file == nullptr || model == nullptr) fault("CVI_NN_RegisterModel: NULL");
  *model = nullptr;
  std::vector<unsigned char> bytes;
  if (!standin::read_file(model_file, &bytes)) return refused(CVI_RC_FAILURE, "CVI_NN_RegisterModel: no such file");
  return registered(bytes, model, "CVI_NN_RegisterModel");
}

CVI_RC CVI_NN_RegisterModelFromBuffer(const int8_t* buf, uint32_t size, CVI_MODEL_HANDLE* model) {
  const std::lock_guard held(standin::lock());
  if (buf == nullptr || model == nullptr) fault("CVI_NN_RegisterModelFromBuffer: NULL");
  *model = nullptr;
  std::vector<unsigned char> bytes(size);
  if (size != 0) std::memcpy(bytes.data(), buf, size);
  return registered(bytes, model, "CVI_NN_RegisterModelFromBuffer");
}

CVI_RC CVI_NN_CloneModel(CVI_MODEL_HANDLE model, CVI_MODEL_HANDLE* cloned) {
  const std::lock_guard held(standin::lock());
  const std::shared_ptr<standin::Model> shared = instance(model, "CVI_NN_CloneModel").model;
  *cloned = standin::new_handle();
  instances()[*cloned].model = shared;
  ledger().born(*cloned, kModel, "CVI_NN_CleanupModel");
  return CVI_RC_SUCCESS;
}

CVI_RC CVI_NN_GetModelVersion(CVI_MODEL_HANDLE model, int32_t* major, int32_t* minor) {
  const std::lock_guard held(standin::lock());
  instance(model, "CVI_NN_GetModelVersion");
  *major = 1;
  *minor = 4;
  return CVI_RC_SUCCESS;
}

const char* CVI_NN_GetModelTarget(CVI_MODEL_HANDLE model) {
  const std::lock_guard held(standin::lock());
  instance(model, "CVI_NN_GetModelTarget");
  return "cv181x";
}

#pragma clang diagnostic ignored "-Wvarargs"  // the published function is one of C, where an enum is an int
CVI_RC CVI_NN_SetConfig(CVI_MODEL_HANDLE model, CVI_CONFIG_OPTION option, ...) {
  const std::lock_guard held(standin::lock());
  if (instance(model, "CVI_NN_SetConfig").in != nullptr) fault("CVI_NN_SetConfig: after CVI_NN_GetInputOutputTensors");
  std::va_list rest;
  va_start(rest, option);
  const int value = va_arg(rest, int);
  va_end(rest);
  if (option == OPTION_PROGRAM_INDEX && value != 0) fault("CVI_NN_SetConfig: there is no such program in the model");
  if (option == OPTION_OUTPUT_ALL_TENSORS && value != 0) {
    return refused(CVI_RC_UNSUPPORT, "CVI_NN_SetConfig: not played here");
  }
  return CVI_RC_SUCCESS;
}

CVI_RC CVI_NN_GetInputOutputTensors(CVI_MODEL_HANDLE model, CVI_TENSOR** inputs, int32_t* input_num, CVI_TENSOR** outputs,
                                    int32_t* output_num) {
  const std::lock_guard held(standin::lock());
  Instance& one = instance(model, "CVI_NN_GetInputOutputTensors");
  if (one.in == nullptr) {
    one.in = described(&one, one.model->inputs, true);
    one.out = described(&one, one.model->outputs, false);
  }
  if (inputs != nullptr) *inputs = one.in;
  if (input_num != nullptr) *input_num = static_cast<std::int32_t>(one.model->inputs.size());
  if (outputs != nullptr) *outputs = one.out;
  if (output_num != nullptr) *output_num = static_cast<std::int32_t>(one.model->outputs.size());
  return CVI_RC_SUCCESS;
}

CVI_RC CVI_NN_GetInputTensors(CVI_MODEL_HANDLE model, CVI_TENSOR** inputs, int32_t* input_num) {
  return CVI_NN_GetInputOutputTensors(model, inputs, input_num, nullptr, nullptr);
}

CVI_RC CVI_NN_GetOutputTensors(CVI_MODEL_HANDLE model, CVI_TENSOR** outputs, int32_t* output_num) {
  return CVI_NN_GetInputOutputTensors(model, nullptr, nullptr, outputs, output_num);
}

CVI_RC CVI_NN_Forward(CVI_MODEL_HANDLE model, CVI_TENSOR inputs[], int32_t input_num, CVI_TENSOR outputs[],
                      int32_t output_num) {
  const std::lock_guard held(standin::lock());
  Instance& one = instance(model, "CVI_NN_Forward");
  const CVI_RC code = right(one, inputs, input_num, outputs, output_num, "CVI_NN_Forward");
  if (code != CVI_RC_SUCCESS) return code;
  if (!one.tasks.empty()) return refused(CVI_RC_BUSY, "CVI_NN_Forward: a run was not waited for (CVI_NN_ForwardWait)");
  compute(one, inputs, outputs);
  return CVI_RC_SUCCESS;
}

CVI_RC CVI_NN_ForwardAsync(CVI_MODEL_HANDLE model, CVI_TENSOR inputs[], int32_t input_num, CVI_TENSOR outputs[],
                           int32_t output_num, void** task_no) {
  const std::lock_guard held(standin::lock());
  Instance& one = instance(model, "CVI_NN_ForwardAsync");
  if (task_no == nullptr) fault("CVI_NN_ForwardAsync: NULL");
  const CVI_RC code = right(one, inputs, input_num, outputs, output_num, "CVI_NN_ForwardAsync");
  if (code != CVI_RC_SUCCESS) return code;
  if (!one.tasks.empty()) return refused(CVI_RC_BUSY, "CVI_NN_ForwardAsync: a run was not waited for (CVI_NN_ForwardWait)");
  *task_no = standin::new_handle();
  one.tasks[*task_no] = {inputs, outputs};
  ledger().born(*task_no, kTask, "CVI_NN_ForwardWait");
  return CVI_RC_SUCCESS;
}

CVI_RC CVI_NN_ForwardWait(CVI_MODEL_HANDLE model, void* task_no) {
  const std::lock_guard held(standin::lock());
  Instance& one = instance(model, "CVI_NN_ForwardWait");
  ledger().died(task_no, kTask, "CVI_NN_ForwardWait");
  const auto found = one.tasks.find(task_no);
  if (found == one.tasks.end()) fault("CVI_NN_ForwardWait: a task of another model");
  const auto [in, out] = found->second;
  one.tasks.erase(found);
  compute(one, in, out);
  return CVI_RC_SUCCESS;
}

CVI_RC CVI_NN_CleanupModel(CVI_MODEL_HANDLE model) {
  const std::lock_guard held(standin::lock());
  ledger().died(model, kModel, "CVI_NN_CleanupModel");
  Instance& one = instances()[model];
  if (!one.tasks.empty()) fault("CVI_NN_CleanupModel: a run was not waited for (CVI_NN_ForwardWait)");
  const auto gone = [](CVI_TENSOR* all, std::size_t count) {
    for (std::size_t i = 0; all != nullptr && i < count; ++i) ledger().died(&all[i], kTensor, "CVI_NN_CleanupModel");
    std::free(all);
  };
  gone(one.in, one.model->inputs.size());
  gone(one.out, one.model->outputs.size());
  for (void* memory : one.memory) std::free(memory);
  instances().erase(model);
  return CVI_RC_SUCCESS;
}

CVI_TENSOR* CVI_NN_GetTensorByName(const char* name, CVI_TENSOR* tensors, int32_t num) {
  const std::lock_guard held(standin::lock());
  ledger().alive(tensors, kTensor, "CVI_NN_GetTensorByName");
  if (name == nullptr) return num == 1 ? tensors : nullptr;
  const std::string wanted(name);
  for (std::int32_t i = 0; i < num; ++i) {
    ledger().alive(&tensors[i], kTensor, "CVI_NN_GetTensorByName");
    const std::string own(tensors[i].name);
    const bool begins = !wanted.empty() && wanted.back() == '*' && own.compare(0, wanted.size() - 1, wanted, 0, wanted.size() - 1) == 0;
    if (own == wanted || begins) return &tensors[i];
  }
  return nullptr;
}

char* CVI_NN_TensorName(CVI_TENSOR* tensor) {
  ledger().alive(tensor, kTensor, "CVI_NN_TensorName");
  return tensor->name;
}

void* CVI_NN_TensorPtr(CVI_TENSOR* tensor) {
  const std::lock_guard held(standin::lock());
  untasked(tensor, "CVI_NN_TensorPtr");
  return tensor->mem_type == CVI_MEM_SYSTEM ? tensor->sys_mem : nullptr;
}

size_t CVI_NN_TensorSize(CVI_TENSOR* tensor) {
  ledger().alive(tensor, kTensor, "CVI_NN_TensorSize");
  return tensor->mem_size;
}

size_t CVI_NN_TensorCount(CVI_TENSOR* tensor) {
  ledger().alive(tensor, kTensor, "CVI_NN_TensorCount");
  return tensor->count;
}

float CVI_NN_TensorQuantScale(CVI_TENSOR* tensor) {
  ledger().alive(tensor, kTensor, "CVI_NN_TensorQuantScale");
  return tensor->qscale;
}

int CVI_NN_TensorQuantZeroPoint(CVI_TENSOR* tensor) {
  ledger().alive(tensor, kTensor, "CVI_NN_TensorQuantZeroPoint");
  return tensor->zero_point;
}

CVI_SHAPE CVI_NN_TensorShape(CVI_TENSOR* tensor) {
  ledger().alive(tensor, kTensor, "CVI_NN_TensorShape");
  return tensor->shape;
}

CVI_RC CVI_NN_SetTensorPtr(CVI_TENSOR* tensor, void* mem) {
  const std::lock_guard held(standin::lock());
  untasked(tensor, "CVI_NN_SetTensorPtr");
  if (mem == nullptr) fault("CVI_NN_SetTensorPtr: NULL");
  tensor->sys_mem = static_cast<std::uint8_t*>(mem);
  tensor->mem_type = CVI_MEM_SYSTEM;
  return CVI_RC_SUCCESS;
}
