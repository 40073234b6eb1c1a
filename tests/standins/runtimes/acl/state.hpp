// What the stand-in knows, and the words in which it refuses. Included once, by standin.cpp.
#pragma once

#pragma GCC visibility push(default)
#include "acl/acl.h"
#pragma GCC visibility pop

#include <cstdlib>
#include <cstring>

#include "standin.hpp"

using standin::complain;
using standin::fault;
using standin::ledger;
using standin::of_device;
using standin::Pending;
using standin::Tensor;
using standin::Type;

struct aclDataBuffer {
  void* data;
  std::size_t size;
};
struct aclmdlDataset {
  std::vector<aclDataBuffer*> buffers;
};
struct aclmdlDesc {
  std::shared_ptr<standin::Model> model;
};

namespace {

constexpr const char* kDeviceMemory = "aclrtMalloc'ed memory";
constexpr const char* kHostMemory = "aclrtMallocHost'ed memory";
constexpr const char* kBuffer = "aclDataBuffer";
constexpr const char* kDataset = "aclmdlDataset";
constexpr const char* kDesc = "aclmdlDesc";
constexpr const char* kStream = "aclrtStream";
constexpr const char* kModel = "loaded model";
constexpr const char* kProcess = "aclInit";
constexpr const char* kDevice = "aclrtSetDevice";
constexpr std::uint32_t kFirst = 1;

struct State {
  bool begun = false, ended = false, device = false;
  std::vector<std::shared_ptr<standin::Model>> models;  // ids are never given out twice
  std::vector<std::unique_ptr<char>> ids;
  std::map<aclrtStream, std::vector<Pending>> streams;
};

State& state() {
  static auto* one = new State;
  return *one;
}

aclError refused(aclError code, const std::string& why) {
  complain(why);
  return code;
}

aclError ready(const std::string& call) {
  if (!state().begun) return refused(ACL_ERROR_UNINITIALIZE, call + ": before aclInit");
  if (!state().device) return refused(ACL_ERROR_RT_CONTEXT_NULL, call + ": before aclrtSetDevice");
  return ACL_SUCCESS;
}

/// What nobody may touch before its stream was waited for.
void idle(const void* at, const std::string& call) {
  for (const auto& [stream, all] : state().streams) {
    for (const Pending& one : all) one.leaves_alone(at, call, "an execution", "aclrtSynchronizeStream");
  }
}

aclDataType named(Type type) {
  switch (type) {
    case Type::f32: return ACL_FLOAT;
    case Type::f16: return ACL_FLOAT16;
    case Type::i8: return ACL_INT8;
    case Type::u8: return ACL_UINT8;
    case Type::i16: return ACL_INT16;
    case Type::u16: return ACL_UINT16;
    case Type::i32: return ACL_INT32;
    case Type::u32: return ACL_UINT32;
    case Type::i64: return ACL_INT64;
    default: return ACL_BOOL;
  }
}

std::shared_ptr<standin::Model> model_of(std::uint32_t id, const std::string& call) {
  const std::size_t at = id - kFirst;
  if (id < kFirst || at >= state().models.size()) return nullptr;
  if (!state().models[at]) fault(call + ": this model was unloaded before (use after free)");
  return state().models[at];
}

const Tensor* tensor_of(const aclmdlDesc* desc, std::size_t index, bool output, const std::string& call) {
  ledger().alive(desc, kDesc, call);
  if (!desc->model) fault(call + ": the aclmdlDesc is empty (aclmdlGetDesc)");
  const std::vector<Tensor>& tensors = output ? desc->model->outputs : desc->model->inputs;
  if (index >= tensors.size()) complain(call + ": no tensor of that index");
  return index < tensors.size() ? &tensors[index] : nullptr;
}

aclError dims_of(const aclmdlDesc* desc, std::size_t index, bool output, aclmdlIODims* dims, const std::string& call) {
  const std::lock_guard held(standin::lock());
  const Tensor* tensor = tensor_of(desc, index, output, call);
  if (tensor == nullptr || dims == nullptr) return ACL_ERROR_INVALID_PARAM;
  const std::vector<int> laid = tensor->laid();
  std::memset(dims, 0, sizeof *dims);
  std::strncpy(dims->name, tensor->name.c_str(), ACL_MAX_TENSOR_NAME_LEN - 1);
  dims->dimCount = laid.size();
  for (std::size_t i = 0; i < laid.size(); ++i) dims->dims[i] = laid[i];
  return ACL_SUCCESS;
}

aclError load(const void* bytes, std::size_t size, std::uint32_t* id, const std::string& call) {
  const aclError state_code = ready(call);
  if (state_code != ACL_SUCCESS) return state_code;
  if (id == nullptr) return refused(ACL_ERROR_INVALID_PARAM, call + ": NULL");
  std::string why;
  std::shared_ptr<standin::Model> model = standin::Model::read(bytes, size, "IMOD", &why);
  if (!model) return refused(ACL_ERROR_PARSE_FILE, call + ": not an .om model: " + why);
  state().models.push_back(model);
  state().ids.emplace_back(new char);
  ledger().born(state().ids.back().get(), kModel, "aclmdlUnload");
  *id = static_cast<std::uint32_t>(state().models.size() - 1) + kFirst;
  return ACL_SUCCESS;
}

/// The memory of a dataset's buffers, each large enough for its tensor and of the device.
aclError gather(const std::vector<Tensor>& tensors, const aclmdlDataset* dataset, std::vector<void*>* into,
                const std::string& call) {
  ledger().alive(dataset, kDataset, call);
  if (dataset->buffers.size() != tensors.size()) {
    return refused(ACL_ERROR_GE_PARAM_INVALID, call + ": " + std::to_string(dataset->buffers.size()) +
                                                   " buffers in a dataset, the model has " + std::to_string(tensors.size()));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    ledger().alive(dataset->buffers[i], kBuffer, call);
    const aclDataBuffer& buffer = *dataset->buffers[i];
    if (!of_device(buffer.data)) fault(call + ": the buffer of " + tensors[i].name + " is not memory of the device");
    if (buffer.size > ledger().room(buffer.data, kDeviceMemory, call)) {
      fault(call + ": the buffer of " + tensors[i].name + " says that it is larger than its memory");
    }
    if (buffer.size < tensors[i].size()) {
      return refused(ACL_ERROR_GE_PARAM_INVALID, call + ": the buffer of " + tensors[i].name + " has " +
                                                     std::to_string(buffer.size) + " bytes, needed " +
                                                     std::to_string(tensors[i].size()));
    }
    idle(buffer.data, call);
    into->push_back(buffer.data);
  }
  return ACL_SUCCESS;
}

aclError gathered(std::uint32_t id, const aclmdlDataset* input, aclmdlDataset* output, Pending* one, const std::string& call) {
  aclError code = ready(call);
  if (code != ACL_SUCCESS) return code;
  one->model = model_of(id, call);
  if (!one->model) return refused(ACL_ERROR_INVALID_MODEL_ID, call + ": there is no such model");
  std::vector<void*> in;
  code = gather(one->model->inputs, input, &in, call);
  if (code == ACL_SUCCESS) code = gather(one->model->outputs, output, &one->out, call);
  one->in.assign(in.begin(), in.end());
  return code;
}

}  // namespace
