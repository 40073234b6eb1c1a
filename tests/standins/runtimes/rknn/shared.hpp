// What the stand-ins of librknnrt.so and librknnmrt.so share: one header, the names of types, contexts and their memory.
// Included once, by each.
#pragma once

#pragma GCC visibility push(default)
#include "rknn_api.h"
#pragma GCC visibility pop

#include <cstdlib>
#include <cstring>
#include <set>

#include "standin.hpp"

using standin::complain;
using standin::fault;
using standin::ledger;
using standin::Layout;
using standin::Tensor;
using standin::Type;

namespace {

constexpr const char* kContext = "rknn_context";
constexpr const char* kMemory = "rknn_tensor_mem";

const void* handle(rknn_context context) { return reinterpret_cast<const void*>(context); }

int refused(int code, const std::string& why) {
  complain(why);
  return code;
}

rknn_tensor_type named(Type type) {
  switch (type) {
    case Type::f32: return RKNN_TENSOR_FLOAT32;
    case Type::f16: return RKNN_TENSOR_FLOAT16;
    case Type::i8: return RKNN_TENSOR_INT8;
    case Type::u8: return RKNN_TENSOR_UINT8;
    case Type::i16: return RKNN_TENSOR_INT16;
    case Type::u16: return RKNN_TENSOR_UINT16;
    case Type::i32: return RKNN_TENSOR_INT32;
    case Type::u32: return RKNN_TENSOR_UINT32;
    case Type::i64: return RKNN_TENSOR_INT64;
    default: return RKNN_TENSOR_BOOL;
  }
}

bool known(rknn_tensor_type type, Type* into) {
  for (const Type one : {Type::f32, Type::f16, Type::i8, Type::u8, Type::i16, Type::u16, Type::i32, Type::u32, Type::i64,
                         Type::boolean}) {
    if (named(one) == type) {
      *into = one;
      return true;
    }
  }
  return false;
}

/// nullptr: no such context. One that was destroyed is a use after free, which has no error code.
template <class Context>
Context* find(std::map<rknn_context, Context>* all, rknn_context context, const char* call) {
  if (ledger().dead(handle(context))) fault(std::string(call) + ": this rknn_context was destroyed before (use after free)");
  const auto found = all->find(context);
  if (found == all->end()) complain(std::string(call) + ": no such rknn_context");
  return found == all->end() ? nullptr : &found->second;
}

/// rknn_init's model, of bytes or of a file. nullptr, with the code: it is none.
std::shared_ptr<standin::Model> loaded(const void* model, std::uint32_t size, int* code) {
  *code = RKNN_ERR_MODEL_INVALID;
  std::vector<unsigned char> bytes;
  if (size != 0) {
    bytes.assign(static_cast<const unsigned char*>(model), static_cast<const unsigned char*>(model) + size);
  } else if (!standin::read_file(static_cast<const char*>(model), &bytes)) {
    complain("rknn_init: no such file");
    return nullptr;
  }
  std::string why;
  std::shared_ptr<standin::Model> read = standin::Model::read(bytes.data(), bytes.size(), "RKNN", &why);
  if (!read) complain("rknn_init: not an RKNN model: " + why);
  if (read) *code = RKNN_SUCC;
  return read;
}

/// The ends of memory's life, which is its context's.
rknn_tensor_mem* new_memory(std::set<rknn_tensor_mem*>* memories, std::uint32_t size) {
  if (size == 0) return nullptr;
  auto* memory = static_cast<rknn_tensor_mem*>(std::calloc(1, sizeof(rknn_tensor_mem)));
  memory->virt_addr = std::calloc(1, size);
  memory->fd = -1;
  memory->size = size;
  memories->insert(memory);
  ledger().born(memory, kMemory, "rknn_destroy_mem", size);
  return memory;
}

void free_memory(std::set<rknn_tensor_mem*>* memories, rknn_tensor_mem* memory) {
  ledger().died(memory, kMemory, "rknn_destroy_mem");
  if (memories->erase(memory) == 0) fault("rknn_destroy_mem: it belongs to another context");
  std::free(memory->virt_addr);
  std::free(memory);
}

int versions(void* info) {
  auto* version = static_cast<rknn_sdk_version*>(info);
  std::strcpy(version->api_version, "2.3.2 (stand-in)");
  std::strcpy(version->drv_version, "0.9.8 (stand-in)");
  return RKNN_SUCC;
}

/// Whether rknn_query was given the size of the struct that it is to fill.
bool sized(std::uint32_t size, std::size_t wanted) {
  if (size != wanted) complain("rknn_query: size " + std::to_string(size) + ", expected " + std::to_string(wanted));
  return size == wanted;
}

}  // namespace
