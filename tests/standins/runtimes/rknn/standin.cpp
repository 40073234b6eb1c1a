// Stands for librknnrt.so. Inputs of images are native int8 (or float16) {N, H, W, C}, outputs {N, C, H, W}; what is given
// otherwise is converted as the reference says. What it has error codes for gets them; the rest is a fault.
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
constexpr const char* kOutputs = "rknn_outputs_get";
constexpr std::uint32_t kLine = 16;  // pixels: the alignment of an input's lines in zero-copy memory

struct Bound {
  rknn_tensor_mem* memory = nullptr;
  rknn_tensor_attr attr{};
};

struct Context {
  std::shared_ptr<standin::Model> model;
  std::vector<std::vector<float>> given;    // real numbers, {N, C, H, W}
  std::vector<std::vector<float>> results;  // the same; empty before the first run
  std::vector<Bound> in, out;
  std::vector<void*> taken;  // buffers of an open rknn_outputs_get
  bool open = false;
  std::set<rknn_tensor_mem*> memories;
};

std::map<rknn_context, Context>& contexts() {
  static auto* all = new std::map<rknn_context, Context>;
  return *all;
}

const void* handle(rknn_context context) { return reinterpret_cast<const void*>(context); }

/// nullptr: no such context. One that was destroyed is a use after free, which has no error code.
Context* find(rknn_context context, const char* call) {
  if (ledger().dead(handle(context))) fault(std::string(call) + ": this rknn_context was destroyed before (use after free)");
  const auto found = contexts().find(context);
  if (found == contexts().end()) complain(std::string(call) + ": no such rknn_context");
  return found == contexts().end() ? nullptr : &found->second;
}

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

void describe(const Tensor& tensor, std::uint32_t index, bool strides, rknn_tensor_attr* attr) {
  const std::vector<int> laid = tensor.laid();
  std::memset(attr, 0, sizeof *attr);
  attr->index = index;
  attr->n_dims = static_cast<std::uint32_t>(laid.size());
  for (std::size_t i = 0; i < laid.size(); ++i) attr->dims[i] = static_cast<std::uint32_t>(laid[i]);
  std::strncpy(attr->name, tensor.name.c_str(), RKNN_MAX_NAME_LEN - 1);
  attr->n_elems = static_cast<std::uint32_t>(tensor.count());
  attr->size = attr->size_with_stride = static_cast<std::uint32_t>(tensor.size());
  attr->fmt = laid.size() != 4 ? RKNN_TENSOR_UNDEFINED : tensor.layout == Layout::nhwc ? RKNN_TENSOR_NHWC : RKNN_TENSOR_NCHW;
  attr->type = named(tensor.type);
  attr->qnt_type = tensor.quantised() ? RKNN_TENSOR_QNT_AFFINE_ASYMMETRIC : RKNN_TENSOR_QNT_NONE;
  attr->zp = tensor.zero;
  attr->scale = tensor.quantised() ? tensor.scale : 1.0F;
  if (strides && attr->fmt == RKNN_TENSOR_NHWC) {
    attr->w_stride = (attr->dims[2] + kLine - 1) / kLine * kLine;
    attr->size_with_stride = attr->size / attr->dims[2] * attr->w_stride;
  }
}

/// What is given → real numbers as the model sees them: rounded to what its own type can hold.
std::vector<float> seen(const Tensor& tensor, const void* from, Type type, bool own, bool last) {
  std::vector<float> values =
      own ? standin::real(type, from, tensor.count(), tensor.scale, tensor.zero) : standin::real(type, from, tensor.count());
  if (last) values = standin::to_nchw(values, tensor.shape);
  std::vector<unsigned char> kept(tensor.size());
  standin::keep(values, tensor.type, kept.data(), tensor.scale, tensor.zero);
  return standin::real(tensor.type, kept.data(), tensor.count(), tensor.scale, tensor.zero);
}

/// Results as they are kept natively (quantised), or as the floats that those stand for.
std::vector<unsigned char> kept(const Tensor& tensor, const std::vector<float>& values, bool floats) {
  const std::vector<float> laid = tensor.layout == Layout::nhwc ? standin::to_nhwc(values, tensor.shape) : values;
  std::vector<unsigned char> bytes(tensor.size());
  standin::keep(laid, tensor.type, bytes.data(), tensor.scale, tensor.zero);
  if (!floats) return bytes;
  const std::vector<float> real = standin::real(tensor.type, bytes.data(), tensor.count(), tensor.scale, tensor.zero);
  bytes.resize(real.size() * sizeof(float));
  std::memcpy(bytes.data(), real.data(), bytes.size());
  return bytes;
}

/// Takes the padding of lines out: {N, H, w_stride, C} → {N, H, W, C}.
std::vector<unsigned char> unpadded(const Tensor& tensor, const unsigned char* from, std::size_t line) {
  const std::size_t pixel = static_cast<std::size_t>(tensor.shape[1]) * bytes_of(tensor.type);
  const std::size_t width = static_cast<std::size_t>(tensor.shape[3]);
  std::vector<unsigned char> bytes;
  for (std::size_t row = 0; row < static_cast<std::size_t>(tensor.shape[0] * tensor.shape[2]); ++row) {
    bytes.insert(bytes.end(), from + row * line * pixel, from + (row * line + width) * pixel);
  }
  return bytes;
}

int take_input(Context* context, const rknn_input& input) {
  const Tensor& tensor = context->model->inputs[input.index];
  if (input.buf == nullptr) return refused(RKNN_ERR_INPUT_INVALID, "rknn_inputs_set: buf is NULL");
  if (input.pass_through > 1) return refused(RKNN_ERR_INPUT_INVALID, "rknn_inputs_set: pass_through is neither 0 nor 1");
  Type type = tensor.type;
  bool last = tensor.layout == Layout::nhwc;
  if (input.pass_through == 0) {
    if (!known(input.type, &type)) return refused(RKNN_ERR_INPUT_INVALID, "rknn_inputs_set: no such type");
    if (tensor.shape.size() == 4 && input.fmt != RKNN_TENSOR_NHWC && input.fmt != RKNN_TENSOR_NCHW) {
      return refused(RKNN_ERR_INPUT_INVALID, "rknn_inputs_set: fmt is neither NHWC nor NCHW");
    }
    last = input.fmt == RKNN_TENSOR_NHWC;
  }
  const std::size_t wanted = tensor.count() * bytes_of(type);
  if (input.size != wanted) {
    return refused(RKNN_ERR_INPUT_INVALID, "rknn_inputs_set: size " + std::to_string(input.size) + " of " + tensor.name +
                                               ", expected " + std::to_string(wanted));
  }
  context->given.resize(context->model->inputs.size());
  context->given[input.index] = seen(tensor, input.buf, type, input.pass_through != 0, last);
  return RKNN_SUCC;
}

void read_bound(Context* context, std::size_t index) {
  const Bound& bound = context->in[index];
  if (bound.memory == nullptr) return;
  const Tensor& tensor = context->model->inputs[index];
  ledger().alive(bound.memory, kMemory, "rknn_run");
  Tensor as = tensor;
  known(bound.attr.type, &as.type);
  const bool last = bound.attr.fmt == RKNN_TENSOR_NHWC;
  const auto* from = static_cast<const unsigned char*>(bound.memory->virt_addr);
  const std::size_t line = last && tensor.shape.size() == 4 ? bound.attr.w_stride : 0;
  const std::vector<unsigned char> bytes =
      line != 0 ? unpadded(as, from, line) : std::vector<unsigned char>(from, from + as.size());
  context->given.resize(context->model->inputs.size());
  context->given[index] = seen(tensor, bytes.data(), as.type, bound.attr.pass_through != 0, last);
}

void write_bound(Context* context, std::size_t index) {
  const Bound& bound = context->out[index];
  if (bound.memory == nullptr) return;
  ledger().alive(bound.memory, kMemory, "rknn_run");
  const Tensor& tensor = context->model->outputs[index];
  const std::vector<unsigned char> bytes = kept(tensor, context->results[index], bound.attr.type == RKNN_TENSOR_FLOAT32);
  std::memcpy(bound.memory->virt_addr, bytes.data(), bytes.size());
}

}  // namespace

int rknn_init(rknn_context* context, void* model, uint32_t size, uint32_t, rknn_init_extend*) {
  const std::lock_guard held(standin::lock());
  if (context == nullptr || model == nullptr) return refused(RKNN_ERR_PARAM_INVALID, "rknn_init: NULL");
  std::vector<unsigned char> bytes;
  if (size != 0) {
    bytes.assign(static_cast<unsigned char*>(model), static_cast<unsigned char*>(model) + size);
  } else if (!standin::read_file(static_cast<const char*>(model), &bytes)) {
    return refused(RKNN_ERR_MODEL_INVALID, "rknn_init: no such file");
  }
  std::string why;
  Context made;
  made.model = standin::Model::read(bytes.data(), bytes.size(), "RKNN", &why);
  if (!made.model) return refused(RKNN_ERR_MODEL_INVALID, "rknn_init: not an RKNN model: " + why);
  made.in.resize(made.model->inputs.size());
  made.out.resize(made.model->outputs.size());
  void* one = standin::new_handle();
  *context = reinterpret_cast<rknn_context>(one);
  contexts()[*context] = made;
  ledger().born(one, kContext, "rknn_destroy");
  return RKNN_SUCC;
}

int rknn_destroy(rknn_context context) {
  const std::lock_guard held(standin::lock());
  if (ledger().dead(handle(context))) fault("rknn_destroy: this rknn_context was destroyed before (double free)");
  Context* found = find(context, "rknn_destroy");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  if (found->open) fault("rknn_destroy: an rknn_outputs_get without rknn_outputs_release");
  if (!found->memories.empty()) fault("rknn_destroy: a rknn_tensor_mem of it without rknn_destroy_mem");
  ledger().died(handle(context), kContext, "rknn_destroy");
  contexts().erase(context);
  return RKNN_SUCC;
}

int rknn_query(rknn_context context, rknn_query_cmd cmd, void* info, uint32_t size) {
  const std::lock_guard held(standin::lock());
  Context* found = find(context, "rknn_query");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  if (info == nullptr) return refused(RKNN_ERR_PARAM_INVALID, "rknn_query: info is NULL");
  const standin::Model& model = *found->model;
  const auto sized = [&](std::size_t wanted) {
    if (size != wanted) complain("rknn_query: size " + std::to_string(size) + ", expected " + std::to_string(wanted));
    return size == wanted;
  };
  switch (static_cast<int>(cmd)) {
    case RKNN_QUERY_IN_OUT_NUM: {
      if (!sized(sizeof(rknn_input_output_num))) return RKNN_ERR_PARAM_INVALID;
      *static_cast<rknn_input_output_num*>(info) = {static_cast<std::uint32_t>(model.inputs.size()),
                                                    static_cast<std::uint32_t>(model.outputs.size())};
      return RKNN_SUCC;
    }
    case RKNN_QUERY_INPUT_ATTR:
    case RKNN_QUERY_OUTPUT_ATTR:
    case RKNN_QUERY_NATIVE_NHWC_INPUT_ATTR:
    case RKNN_QUERY_NATIVE_INPUT_ATTR:
    case RKNN_QUERY_NATIVE_OUTPUT_ATTR: {
      if (!sized(sizeof(rknn_tensor_attr))) return RKNN_ERR_PARAM_INVALID;
      auto* attr = static_cast<rknn_tensor_attr*>(info);
      const bool output = cmd == RKNN_QUERY_OUTPUT_ATTR || cmd == RKNN_QUERY_NATIVE_OUTPUT_ATTR;
      const std::vector<Tensor>& tensors = output ? model.outputs : model.inputs;
      if (attr->index >= tensors.size()) return refused(RKNN_ERR_PARAM_INVALID, "rknn_query: no tensor of that index");
      const bool strides = cmd == RKNN_QUERY_NATIVE_NHWC_INPUT_ATTR || cmd == RKNN_QUERY_NATIVE_INPUT_ATTR;
      describe(tensors[attr->index], attr->index, strides, attr);
      return RKNN_SUCC;
    }
    case RKNN_QUERY_SDK_VERSION: {
      if (!sized(sizeof(rknn_sdk_version))) return RKNN_ERR_PARAM_INVALID;
      auto* version = static_cast<rknn_sdk_version*>(info);
      std::strcpy(version->api_version, "2.3.2 (stand-in)");
      std::strcpy(version->drv_version, "0.9.8 (stand-in)");
      return RKNN_SUCC;
    }
    default: return refused(RKNN_ERR_PARAM_INVALID, "rknn_query: not played here");
  }
}

int rknn_inputs_set(rknn_context context, uint32_t n_inputs, rknn_input inputs[]) {
  const std::lock_guard held(standin::lock());
  Context* found = find(context, "rknn_inputs_set");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  if (inputs == nullptr || n_inputs != found->model->inputs.size()) {
    return refused(RKNN_ERR_INPUT_INVALID, "rknn_inputs_set: n_inputs is not the model's");
  }
  std::set<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < n_inputs; ++i) {
    if (inputs[i].index >= n_inputs || !indices.insert(inputs[i].index).second) {
      return refused(RKNN_ERR_INPUT_INVALID, "rknn_inputs_set: an index twice, or of no input");
    }
    const int code = take_input(found, inputs[i]);
    if (code != RKNN_SUCC) return code;
  }
  return RKNN_SUCC;
}

int rknn_set_core_mask(rknn_context context, rknn_core_mask core_mask) {
  const std::lock_guard held(standin::lock());
  if (find(context, "rknn_set_core_mask") == nullptr) return RKNN_ERR_CTX_INVALID;
  return static_cast<unsigned>(core_mask) > 7U ? refused(RKNN_ERR_PARAM_INVALID, "rknn_set_core_mask: no such cores") : RKNN_SUCC;
}

int rknn_run(rknn_context context, rknn_run_extend*) {
  const std::lock_guard held(standin::lock());
  Context* found = find(context, "rknn_run");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  if (found->open) fault("rknn_run: the outputs of the run before were got and not released");
  for (std::size_t i = 0; i < found->in.size(); ++i) read_bound(found, i);
  if (found->given.size() != found->model->inputs.size()) {
    return refused(RKNN_ERR_INPUT_INVALID, "rknn_run: inputs were not set");
  }
  found->results = found->model->compute(found->given);
  found->given.clear();  // set before each run
  if (standin::lie("nothing-written")) return RKNN_SUCC;
  for (std::size_t i = 0; i < found->out.size(); ++i) {
    write_bound(found, i);
  }
  return RKNN_SUCC;
}

int rknn_outputs_get(rknn_context context, uint32_t n_outputs, rknn_output outputs[], rknn_output_extend*) {
  const std::lock_guard held(standin::lock());
  Context* found = find(context, "rknn_outputs_get");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  if (found->open) fault("rknn_outputs_get: the outputs before were not released (rknn_outputs_release)");
  if (found->results.empty()) return refused(RKNN_ERR_FAIL, "rknn_outputs_get: nothing was run");
  const std::vector<Tensor>& tensors = found->model->outputs;
  if (outputs == nullptr || n_outputs != tensors.size()) {
    return refused(RKNN_ERR_OUTPUT_INVALID, "rknn_outputs_get: n_outputs is not the model's");
  }
  for (std::uint32_t i = 0; i < n_outputs; ++i) {
    rknn_output& output = outputs[i];
    if (output.is_prealloc == 0) output.index = i;
    if (output.index >= n_outputs) return refused(RKNN_ERR_OUTPUT_INVALID, "rknn_outputs_get: no output of that index");
    const Tensor& tensor = tensors[output.index];
    const std::vector<unsigned char> bytes = kept(tensor, found->results[output.index], output.want_float != 0);
    if (output.is_prealloc != 0) {
      if (output.buf == nullptr || output.size < bytes.size()) {
        return refused(RKNN_ERR_OUTPUT_INVALID, "rknn_outputs_get: size " + std::to_string(output.size) + " of " +
                                                    tensor.name + ", needed " + std::to_string(bytes.size()));
      }
    } else {
      output.buf = std::calloc(1, bytes.size());
      output.size = static_cast<std::uint32_t>(bytes.size());
      found->taken.push_back(output.buf);
    }
    if (!standin::lie("nothing-written")) std::memcpy(output.buf, bytes.data(), bytes.size());
  }
  found->open = true;
  ledger().born(&found->open, kOutputs, "rknn_outputs_release");
  return RKNN_SUCC;
}

int rknn_outputs_release(rknn_context context, uint32_t n_outputs, rknn_output outputs[]) {
  const std::lock_guard held(standin::lock());
  Context* found = find(context, "rknn_outputs_release");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  if (!found->open) fault("rknn_outputs_release: nothing is to be released (double free)");
  if (outputs == nullptr || n_outputs != found->model->outputs.size()) {
    return refused(RKNN_ERR_OUTPUT_INVALID, "rknn_outputs_release: n_outputs is not the model's");
  }
  for (std::uint32_t i = 0; i < n_outputs; ++i) {
    if (outputs[i].is_prealloc != 0) continue;
    bool ours = false;
    for (void*& buffer : found->taken) {
      if (buffer != nullptr && buffer == outputs[i].buf) {
        std::free(buffer);
        buffer = nullptr;
        ours = true;
      }
    }
    if (!ours) fault("rknn_outputs_release: buf is not what rknn_outputs_get gave");
  }
  for (const void* buffer : found->taken) {
    if (buffer != nullptr) fault("rknn_outputs_release: not all that rknn_outputs_get gave");
  }
  found->taken.clear();
  found->open = false;
  ledger().died(&found->open, kOutputs, "rknn_outputs_release");
  return RKNN_SUCC;
}

rknn_tensor_mem* rknn_create_mem(rknn_context ctx, uint32_t size) {
  const std::lock_guard held(standin::lock());
  Context* found = find(ctx, "rknn_create_mem");
  if (found == nullptr || size == 0) return nullptr;
  auto* memory = static_cast<rknn_tensor_mem*>(std::calloc(1, sizeof(rknn_tensor_mem)));
  memory->virt_addr = std::calloc(1, size);
  memory->fd = -1;
  memory->size = size;
  found->memories.insert(memory);
  ledger().born(memory, kMemory, "rknn_destroy_mem", size);
  return memory;
}

int rknn_destroy_mem(rknn_context ctx, rknn_tensor_mem* mem) {
  const std::lock_guard held(standin::lock());
  Context* found = find(ctx, "rknn_destroy_mem");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  ledger().died(mem, kMemory, "rknn_destroy_mem");
  if (found->memories.erase(mem) == 0) fault("rknn_destroy_mem: it belongs to another context");
  for (std::vector<Bound>* bounds : {&found->in, &found->out}) {
    for (Bound& bound : *bounds) {
      if (bound.memory == mem) bound.memory = nullptr;
    }
  }
  std::free(mem->virt_addr);
  std::free(mem);
  return RKNN_SUCC;
}

int rknn_set_io_mem(rknn_context ctx, rknn_tensor_mem* mem, rknn_tensor_attr* attr) {
  const std::lock_guard held(standin::lock());
  Context* found = find(ctx, "rknn_set_io_mem");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  if (mem == nullptr || attr == nullptr) return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: NULL");
  ledger().alive(mem, kMemory, "rknn_set_io_mem");
  const std::string name(attr->name);
  for (const bool output : {false, true}) {
    const std::vector<Tensor>& tensors = output ? found->model->outputs : found->model->inputs;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].name != name || attr->index != i) continue;
      Type type = Type::f32;
      const bool own = output || attr->pass_through != 0;
      if (!known(attr->type, &type)) return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: no such type");
      if (own && type != tensors[i].type && !(output && type == Type::f32)) {
        return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: the type is not the model's own");
      }
      std::size_t needed = tensors[i].count() * bytes_of(type);
      if (!output && attr->w_stride != 0) needed = needed / attr->dims[2] * attr->w_stride;
      if (mem->size < needed) {
        return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: the memory of " + name + " has " + std::to_string(mem->size) +
                                                   " bytes, needed " + std::to_string(needed));
      }
      (output ? found->out : found->in)[i] = Bound{mem, *attr};
      return RKNN_SUCC;
    }
  }
  return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: no tensor of that name and index");
}

int rknn_mem_sync(rknn_context context, rknn_tensor_mem* mem, rknn_mem_sync_mode mode) {
  const std::lock_guard held(standin::lock());
  if (find(context, "rknn_mem_sync") == nullptr) return RKNN_ERR_CTX_INVALID;
  ledger().alive(mem, kMemory, "rknn_mem_sync");
  if (mode < 1 || mode > 3) return refused(RKNN_ERR_PARAM_INVALID, "rknn_mem_sync: no such mode");
  return RKNN_SUCC;
}
