// Stands for libNncase.Runtime.Native. Every object has a count; one whose count is 0 is gone, and who still uses it is told.
#pragma GCC visibility push(default)
#include "nncase/api.h"
#pragma GCC visibility pop

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "standin.hpp"

STANDIN("nncase")

using standin::complain;
using standin::fault;
using standin::ledger;
using standin::Tensor;
using standin::Type;

namespace {

constexpr const char* kObject = "object";
constexpr const char* kInterpreter = "interpreter";
constexpr const char* kMapping = "mapped buffer";

enum class Kind { dtype, buffer, tensor, tuple };

struct Object {
  Kind kind = Kind::dtype;
  int references = 1;
  nncase::typecode_t code{};              // dtype
  unsigned char* data = nullptr;          // buffer
  std::uint32_t size = 0;                 // buffer: bytes; tensor: of its slice
  bool mapped = false;                    // buffer
  std::vector<std::uint32_t> dims;        // tensor
  std::uint32_t start = 0;                // tensor: of its slice
  std::vector<Object*> owned;             // tensor: dtype, buffer; tuple: fields
};

struct Interpreter {
  std::shared_ptr<standin::Model> model;
  const void* bytes = nullptr;  // the caller's, where they were not copied
  std::vector<unsigned char> copy;
};

int refused(int code, const std::string& why) {
  complain(why);
  return -code;
}

Object* made(Kind kind) {
  auto* object = new Object;
  object->kind = kind;
  ledger().born(object, kObject, "nncase_object_release");
  return object;
}

/// The object behind a pointer, of that kind; a fault where there is none.
Object* of(const void* handle, Kind kind, const std::string& call) {
  ledger().alive(handle, kObject, call);
  auto* object = static_cast<Object*>(const_cast<void*>(handle));
  if (object->kind != kind) fault(call + ": an object of another kind");
  return object;
}

Object* shared(Object* object) {
  ++object->references;
  return object;
}

void release(Object* object) {
  ledger().alive(object, kObject, "nncase_object_release");
  if (--object->references > 0) return;
  for (Object* one : object->owned) release(one);
  if (object->mapped) fault("nncase_object_release: a buffer that is still mapped (nncase_host_buffer_unmap)");
  ledger().died(object, kObject, "nncase_object_release");
  std::free(object->data);
  delete object;
}

nncase::typecode_t named(Type type) {
  switch (type) {
    case Type::f16: return nncase::dt_float16;
    case Type::i8: return nncase::dt_int8;
    case Type::u8: return nncase::dt_uint8;
    case Type::i16: return nncase::dt_int16;
    case Type::u16: return nncase::dt_uint16;
    case Type::i32: return nncase::dt_int32;
    case Type::u32: return nncase::dt_uint32;
    case Type::i64: return nncase::dt_int64;
    case Type::boolean: return nncase::dt_boolean;
    default: return nncase::dt_float32;
  }
}

std::uint32_t width(nncase::typecode_t code) {
  switch (code) {
    case nncase::dt_int64:
    case nncase::dt_uint64:
    case nncase::dt_float64: return 8;
    case nncase::dt_float32:
    case nncase::dt_int32:
    case nncase::dt_uint32: return 4;
    case nncase::dt_float16:
    case nncase::dt_bfloat16:
    case nncase::dt_int16:
    case nncase::dt_uint16: return 2;
    default: return 1;
  }
}

Object* buffer_of(std::uint32_t bytes) {
  Object* buffer = made(Kind::buffer);
  buffer->size = bytes;
  buffer->data = static_cast<unsigned char*>(std::calloc(1, bytes));
  return buffer;
}

/// The address of an input as the model wants it; nullptr where it does not fit.
const void* input(const Tensor& tensor, const void* handle) {
  const std::string call = "nncase_func_invoke";
  const Object* given = of(handle, Kind::tensor, call);
  const std::vector<int> laid = tensor.laid();
  if (given->owned[0]->code != named(tensor.type)) {
    complain(call + ": " + tensor.name + " is of another type");
    return nullptr;
  }
  if (!std::equal(given->dims.begin(), given->dims.end(), laid.begin(), laid.end(),
                  [](std::uint32_t left, int right) { return left == static_cast<std::uint32_t>(right); })) {
    complain(call + ": " + tensor.name + " is of another shape");
    return nullptr;
  }
  if (given->owned[1]->mapped) fault(call + ": an input is still mapped (nncase_host_buffer_unmap)");
  return given->owned[1]->data + given->start;
}

Object* output(const Tensor& tensor) {
  Object* dtype = made(Kind::dtype);
  dtype->code = named(tensor.type);
  Object* result = made(Kind::tensor);
  for (const int axis : tensor.laid()) result->dims.push_back(static_cast<std::uint32_t>(axis));
  result->size = static_cast<std::uint32_t>(tensor.size());
  result->owned = {dtype, buffer_of(result->size)};
  return result;
}

Interpreter* interpreter(const void* handle, const std::string& call) {
  ledger().alive(handle, kInterpreter, call);
  return static_cast<Interpreter*>(const_cast<void*>(handle));
}

int load(Interpreter* into, const void* bytes, std::size_t size, const std::string& call) {
  std::string why;
  into->model = standin::Model::read(bytes, size, "LDMK", &why);
  return into->model ? 0 : refused(EINVAL, call + ": not a kmodel: " + why);
}

}  // namespace

int nncase_object_add_ref(nncase::object_node* node) {
  const std::lock_guard held(standin::lock());
  if (node == nullptr) return 0;
  ledger().alive(node, kObject, "nncase_object_add_ref");
  ++reinterpret_cast<Object*>(node)->references;
  return 0;
}

int nncase_object_release(nncase::object_node* node) {
  const std::lock_guard held(standin::lock());
  if (node == nullptr) return 0;
  if (ledger().dead(node)) fault("nncase_object_release: this object was freed before (double free)");
  ledger().alive(node, kObject, "nncase_object_release");
  release(reinterpret_cast<Object*>(node));
  return 0;
}

int nncase_interp_create(nncase::runtime::interpreter** interp) {
  const std::lock_guard held(standin::lock());
  if (interp == nullptr) return -EINVAL;
  auto* one = new Interpreter;
  ledger().born(one, kInterpreter, "nncase_interp_free");
  *interp = reinterpret_cast<nncase::runtime::interpreter*>(one);
  return 0;
}

int nncase_interp_free(nncase::runtime::interpreter* interp) {
  const std::lock_guard held(standin::lock());
  if (interp == nullptr) return -EINVAL;
  ledger().died(interp, kInterpreter, "nncase_interp_free");
  delete reinterpret_cast<Interpreter*>(interp);
  return 0;
}

int nncase_interp_load_model(nncase::runtime::interpreter* interp, void* model_buffer, std::uint32_t model_size,
                             bool copy_buffer) {
  const std::lock_guard held(standin::lock());
  if (interp == nullptr || model_buffer == nullptr) return -EINVAL;
  Interpreter* one = interpreter(interp, "nncase_interp_load_model");
  const auto* bytes = static_cast<const unsigned char*>(model_buffer);
  one->copy.assign(bytes, bytes + model_size);
  one->bytes = copy_buffer ? nullptr : model_buffer;
  return load(one, bytes, model_size, "nncase_interp_load_model");
}

int nncase_interp_load_model_from_path(nncase::runtime::interpreter* interp, const char* model_path) {
  const std::lock_guard held(standin::lock());
  if (interp == nullptr || model_path == nullptr) return -EINVAL;
  Interpreter* one = interpreter(interp, "nncase_interp_load_model_from_path");
  std::vector<unsigned char> bytes;
  if (!standin::read_file(model_path, &bytes)) return refused(ENOENT, "nncase_interp_load_model_from_path: no such file");
  return load(one, bytes.data(), bytes.size(), "nncase_interp_load_model_from_path");
}

int nncase_interp_get_entry_func(nncase::runtime::interpreter* interp, nncase::runtime::runtime_function** func) {
  const std::lock_guard held(standin::lock());
  if (interp == nullptr || func == nullptr) return -EINVAL;
  if (!interpreter(interp, "nncase_interp_get_entry_func")->model) {
    return refused(EINVAL, "nncase_interp_get_entry_func: no model was loaded");
  }
  *func = reinterpret_cast<nncase::runtime::runtime_function*>(interp);
  return 0;
}

int nncase_func_get_params_size(nncase::runtime::runtime_function* func, std::uint32_t* size) {
  const std::lock_guard held(standin::lock());
  if (func == nullptr || size == nullptr) return -EINVAL;
  *size = static_cast<std::uint32_t>(interpreter(func, "nncase_func_get_params_size")->model->inputs.size());
  return 0;
}

int nncase_func_invoke(nncase::runtime::runtime_function* func, nncase::value_node** params, std::uint32_t params_size,
                       nncase::value_node** result) {
  const std::lock_guard held(standin::lock());
  if (func == nullptr || (params == nullptr && params_size != 0) || result == nullptr) return -EINVAL;
  const Interpreter* one = interpreter(func, "nncase_func_invoke");
  standin::Model& model = *one->model;
  if (one->bytes != nullptr && std::memcmp(one->bytes, one->copy.data(), one->copy.size()) != 0) {
    fault("nncase_func_invoke: the model's bytes are no longer there (copy_buffer was false)");
  }
  if (params_size != model.inputs.size()) return refused(EINVAL, "nncase_func_invoke: another number of inputs");
  std::vector<const void*> in;
  for (std::uint32_t i = 0; i < params_size; ++i) {
    in.push_back(input(model.inputs[i], params[i]));
    if (in.back() == nullptr) return -EINVAL;
  }
  std::vector<Object*> results;
  std::vector<void*> out;
  for (const Tensor& tensor : model.outputs) {
    results.push_back(output(tensor));
    out.push_back(results.back()->owned[1]->data);
  }
  model.run(in, out);
  Object* whole = results[0];
  if (results.size() > 1) {
    whole = made(Kind::tuple);
    whole->owned = results;
  }
  *result = reinterpret_cast<nncase::value_node*>(whole);
  return 0;
}

int nncase_buffer_allocator_get_host(nncase::runtime::buffer_allocator** alloc) {
  if (alloc == nullptr) return -EINVAL;
  static char one = 0;
  *alloc = reinterpret_cast<nncase::runtime::buffer_allocator*>(&one);
  return 0;
}

int nncase_buffer_allocator_alloc(nncase::runtime::buffer_allocator* alloc, std::uint32_t bytes, void*,
                                  nncase::runtime::buffer_node** buffer) {
  const std::lock_guard held(standin::lock());
  if (alloc == nullptr || buffer == nullptr) return -EINVAL;
  *buffer = reinterpret_cast<nncase::runtime::buffer_node*>(buffer_of(bytes));
  return 0;
}

int nncase_buffer_as_host(nncase::runtime::buffer_node* buffer, nncase::runtime::host_buffer_node** host_buffer) {
  const std::lock_guard held(standin::lock());
  if (buffer == nullptr || host_buffer == nullptr) return -EINVAL;
  Object* object = shared(of(buffer, Kind::buffer, "nncase_buffer_as_host"));
  *host_buffer = reinterpret_cast<nncase::runtime::host_buffer_node*>(object);
  return 0;
}

int nncase_host_buffer_map(nncase::runtime::host_buffer_node* host_buffer, nncase::runtime::map_access_t access, void** data,
                           std::uint32_t* bytes) {
  const std::lock_guard held(standin::lock());
  if (host_buffer == nullptr || access == nncase::runtime::map_none) return -EINVAL;
  Object* object = of(host_buffer, Kind::buffer, "nncase_host_buffer_map");
  if (object->mapped) fault("nncase_host_buffer_map: it is mapped already");
  object->mapped = true;
  ledger().born(&object->mapped, kMapping, "nncase_host_buffer_unmap");
  if (data != nullptr) *data = object->data;
  if (bytes != nullptr) *bytes = object->size;
  return 0;
}

int nncase_host_buffer_unmap(nncase::runtime::host_buffer_node* host_buffer) {
  const std::lock_guard held(standin::lock());
  if (host_buffer == nullptr) return -EINVAL;
  Object* object = of(host_buffer, Kind::buffer, "nncase_host_buffer_unmap");
  if (!object->mapped) fault("nncase_host_buffer_unmap: it is not mapped");
  object->mapped = false;
  ledger().died(&object->mapped, kMapping, "nncase_host_buffer_unmap");
  return 0;
}

int nncase_dtype_create_prime(nncase::typecode_t typecode, nncase::datatype_node** dtype) {
  const std::lock_guard held(standin::lock());
  if (dtype == nullptr || typecode > nncase::dt_bfloat16) return -EINVAL;
  Object* object = made(Kind::dtype);
  object->code = typecode;
  *dtype = reinterpret_cast<nncase::datatype_node*>(object);
  return 0;
}

int nncase_dtype_get_typecode(nncase::datatype_node* dtype) {
  const std::lock_guard held(standin::lock());
  return of(dtype, Kind::dtype, "nncase_dtype_get_typecode")->code;
}

int nncase_value_is_tensor(nncase::value_node* value, bool* is_tensor) {
  const std::lock_guard held(standin::lock());
  if (value == nullptr || is_tensor == nullptr) return -EINVAL;
  ledger().alive(value, kObject, "nncase_value_is_tensor");
  *is_tensor = reinterpret_cast<Object*>(value)->kind == Kind::tensor;
  return 0;
}

int nncase_tensor_create(nncase::datatype_node* dtype, const std::uint32_t* dims, std::uint32_t dims_length,
                         const std::uint32_t* strides, std::uint32_t strides_length, nncase_buffer_slice* buffer,
                         nncase::tensor_node** tensor) {
  const std::lock_guard held(standin::lock());
  const std::string call = "nncase_tensor_create";
  if (dtype == nullptr || buffer == nullptr || tensor == nullptr) return -EINVAL;
  Object* type = of(dtype, Kind::dtype, call);
  Object* memory = of(buffer->buffer, Kind::buffer, call);
  if (strides_length != dims_length) return refused(EINVAL, call + ": as many strides as axes");
  std::uint32_t count = 1;
  for (std::uint32_t i = dims_length; i-- > 0;) {
    // An axis of length 1 is never stepped along.
    if (strides[i] != count && dims[i] != 1) fault(call + ": strides with gaps, or not in elements");
    count *= dims[i];
  }
  if (buffer->size_bytes < count * width(type->code)) {
    fault(call + ": " + std::to_string(buffer->size_bytes) + " bytes for " + std::to_string(count * width(type->code)));
  }
  if (buffer->start + buffer->size_bytes > memory->size) fault(call + ": the slice is longer than its buffer");
  Object* object = made(Kind::tensor);
  object->dims.assign(dims, dims + dims_length);
  object->start = buffer->start;
  object->size = buffer->size_bytes;
  object->owned = {shared(type), shared(memory)};
  *tensor = reinterpret_cast<nncase::tensor_node*>(object);
  return 0;
}

int nncase_tensor_get_dtype(nncase::tensor_node* tensor, nncase::datatype_node** dtype) {
  const std::lock_guard held(standin::lock());
  if (tensor == nullptr || dtype == nullptr) return -EINVAL;
  Object* object = of(tensor, Kind::tensor, "nncase_tensor_get_dtype");
  *dtype = reinterpret_cast<nncase::datatype_node*>(shared(object->owned[0]));
  return 0;
}

int nncase_tensor_get_buffer(nncase::tensor_node* tensor, nncase_buffer_slice* buffer) {
  const std::lock_guard held(standin::lock());
  if (tensor == nullptr || buffer == nullptr) return -EINVAL;
  Object* object = of(tensor, Kind::tensor, "nncase_tensor_get_buffer");
  *buffer = {reinterpret_cast<nncase::runtime::buffer_node*>(shared(object->owned[1])), object->start, object->size};
  return 0;
}

int nncase_tensor_get_dims(nncase::tensor_node* tensor, std::uint32_t* dims, std::uint32_t* dims_length) {
  const std::lock_guard held(standin::lock());
  if (tensor == nullptr || dims_length == nullptr) return -EINVAL;
  const Object* object = of(tensor, Kind::tensor, "nncase_tensor_get_dims");
  const auto needed = static_cast<std::uint32_t>(object->dims.size());
  const bool fits = *dims_length >= needed;
  *dims_length = needed;
  if (!fits) return dims != nullptr ? -EOVERFLOW : 0;
  if (dims != nullptr) std::copy(object->dims.begin(), object->dims.end(), dims);
  return 0;
}

int nncase_tuple_get_fields(nncase::tuple_node* tuple, nncase::value_node** fields, std::uint32_t* fields_length) {
  const std::lock_guard held(standin::lock());
  if (tuple == nullptr || fields_length == nullptr) return -EINVAL;
  const Object* object = of(tuple, Kind::tuple, "nncase_tuple_get_fields");
  const auto needed = static_cast<std::uint32_t>(object->owned.size());
  const bool fits = *fields_length >= needed;
  *fields_length = needed;
  if (!fits) return -EOVERFLOW;
  for (std::uint32_t i = 0; fields != nullptr && i < needed; ++i) {
    fields[i] = reinterpret_cast<nncase::value_node*>(shared(object->owned[i]));
  }
  return 0;
}
