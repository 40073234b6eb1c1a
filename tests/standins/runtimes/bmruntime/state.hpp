// What the stand-in knows, and the words in which it refuses. Included once, by standin.cpp.
#pragma once

#pragma GCC visibility push(default)
#include "bmruntime_interface.h"
#pragma GCC visibility pop

#include <cstdlib>
#include <cstring>
#include <set>

#include "standin.hpp"

using standin::complain;
using standin::fault;
using standin::ledger;
using standin::Pending;
using standin::Tensor;
using standin::Type;

namespace {

constexpr const char* kDevice = "bm_handle_t";
constexpr const char* kRuntime = "bmrt_create's runtime";
constexpr const char* kMemory = "bm_device_mem_t";

bm_data_type_t named(Type type) {
  switch (type) {
    case Type::f32: return BM_FLOAT32;
    case Type::f16: return BM_FLOAT16;
    case Type::bf16: return BM_BFLOAT16;
    case Type::i8: return BM_INT8;
    case Type::u8:
    case Type::boolean: return BM_UINT8;
    case Type::i16: return BM_INT16;
    case Type::u16: return BM_UINT16;
    case Type::i32: return BM_INT32;
    default: return BM_UINT32;
  }
}

std::size_t width(bm_data_type_t type) {
  switch (type) {
    case BM_FLOAT32:
    case BM_INT32:
    case BM_UINT32: return 4;
    case BM_FLOAT16:
    case BM_BFLOAT16:
    case BM_INT16:
    case BM_UINT16: return 2;
    default: return 1;
  }
}

struct Network {
  std::shared_ptr<standin::Model> model;
  bm_net_info_t info{};
  bm_stage_info_t stage{};
  std::vector<const char*> in_names, out_names;
  std::vector<bm_data_type_t> in_types, out_types;
  std::vector<float> in_scales, out_scales;
  std::vector<bm_shape_t> in_shapes, out_shapes;
  std::vector<std::size_t> in_bytes, out_bytes;
  std::vector<int> in_zeros, out_zeros, places;
};

struct Runtime {
  bm_handle_t device = nullptr;
  std::vector<std::unique_ptr<Network>> networks;
};

struct Device {
  std::vector<Pending> pending;
};

std::map<bm_handle_t, Device>& devices() {
  static auto* all = new std::map<bm_handle_t, Device>;
  return *all;
}

std::map<void*, Runtime>& runtimes() {
  static auto* all = new std::map<void*, Runtime>;
  return *all;
}

Device& device(bm_handle_t handle, const std::string& call) {
  ledger().alive(handle, kDevice, call);
  return devices()[handle];
}

Runtime& runtime(void* handle, const std::string& call) {
  ledger().alive(handle, kRuntime, call);
  return runtimes()[handle];
}

void* address(const bm_device_mem_t& memory) { return reinterpret_cast<void*>(memory.u.device.device_addr); }

void idle(const bm_device_mem_t& memory, const std::string& call) {
  for (const auto& [handle, one] : devices()) {
    for (const Pending& pending : one.pending) pending.leaves_alone(address(memory), call, "a launch", "bm_thread_sync");
  }
}

void describe(const std::vector<Tensor>& tensors, bool inputs, std::vector<const char*>* names,
              std::vector<bm_data_type_t>* types, std::vector<float>* scales, std::vector<bm_shape_t>* shapes,
              std::vector<std::size_t>* bytes, std::vector<int>* zeros) {
  for (const Tensor& tensor : tensors) {
    names->push_back(tensor.name.c_str());
    types->push_back(named(tensor.type));
    scales->push_back(!tensor.quantised() ? 1.0F : inputs ? 1.0F / tensor.scale : tensor.scale);
    bm_shape_t shape{};
    const std::vector<int> laid = tensor.laid();
    bmrt_shape(&shape, laid.data(), static_cast<int>(laid.size()));
    shapes->push_back(shape);
    bytes->push_back(tensor.size());
    zeros->push_back(tensor.zero);
  }
}

bool load(void* p_bmrt, const void* bytes, std::size_t size, const std::string& call) {
  Runtime& held = runtime(p_bmrt, call);
  std::string why;
  auto network = std::make_unique<Network>();
  network->model = standin::Model::read(bytes, size, "\xEE\xAA\x55\xFF", &why);
  if (!network->model) {
    complain(call + ": not a bmodel: " + why);
    return false;
  }
  Network& n = *network;
  describe(n.model->inputs, true, &n.in_names, &n.in_types, &n.in_scales, &n.in_shapes, &n.in_bytes, &n.in_zeros);
  describe(n.model->outputs, false, &n.out_names, &n.out_types, &n.out_scales, &n.out_shapes, &n.out_bytes, &n.out_zeros);
  n.places.assign(n.in_names.size() + n.out_names.size(), 0);
  n.stage = {n.in_shapes.data(), n.out_shapes.data(), nullptr, nullptr};
  n.info = {n.model->name.c_str(),
            false,
            static_cast<int>(n.in_names.size()),
            n.in_names.data(),
            n.in_types.data(),
            n.in_scales.data(),
            static_cast<int>(n.out_names.size()),
            n.out_names.data(),
            n.out_types.data(),
            n.out_scales.data(),
            1,
            &n.stage,
            n.in_bytes.data(),
            n.out_bytes.data(),
            n.in_zeros.data(),
            n.out_zeros.data(),
            n.places.data(),
            n.places.data(),
            1,
            0};
  held.networks.push_back(std::move(network));
  return true;
}

bool refused(const std::string& why) {
  complain("bmrt_launch_tensor: " + why);
  return false;
}

bool allocate(bm_device_mem_t* memory, std::size_t size) {
  void* block = standin::to_device(std::calloc(1, size));
  std::memset(memory, 0, sizeof *memory);
  memory->u.device.device_addr = reinterpret_cast<unsigned long>(block);
  memory->u.device.dmabuf_fd = -1;
  memory->flags.u.mem_type = BM_MEM_TYPE_DEVICE;
  memory->size = static_cast<unsigned int>(size);
  ledger().born(block, kMemory, "bm_free_device", size);
  return standin::from_device(block) != nullptr;
}

bm_status_t copy(bm_handle_t handle, const bm_device_mem_t& memory, void* system, std::size_t size, std::size_t offset,
                 bool to_device, const std::string& call) {
  const std::lock_guard held(standin::lock());
  device(handle, call);
  const std::size_t room = ledger().room(address(memory), kMemory, call);
  if (system == nullptr || offset + size > room || offset + size > memory.size) {
    complain(call + ": " + std::to_string(offset + size) + " bytes of a memory of " + std::to_string(room));
    return BM_ERR_PARAM;
  }
  idle(memory, call);
  auto* inside = static_cast<unsigned char*>(standin::from_device(address(memory))) + offset;
  std::memcpy(to_device ? inside : system, to_device ? system : inside, size);
  return BM_SUCCESS;
}

bool fits(const bm_tensor_t& tensor, const Tensor& wanted, bool shaped) {
  const std::size_t room = ledger().room(address(tensor.device_mem), kMemory, "bmrt_launch_tensor");
  if (shaped) {
    bm_shape_t shape{};
    const std::vector<int> laid = wanted.laid();
    bmrt_shape(&shape, laid.data(), static_cast<int>(laid.size()));
    if (tensor.dtype != named(wanted.type)) return refused(wanted.name + " is of another type");
    if (!bmrt_shape_is_same(&tensor.shape, &shape)) return refused(wanted.name + " is of another shape");
    if (tensor.st_mode != BM_STORE_1N) return refused(wanted.name + ": its st_mode is not BM_STORE_1N");
  }
  if (room < wanted.size()) {
    return refused(wanted.name + ": " + std::to_string(room) + " bytes of memory, needed " + std::to_string(wanted.size()));
  }
  return true;
}

}  // namespace
