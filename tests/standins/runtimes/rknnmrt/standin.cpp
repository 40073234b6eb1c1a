// Stands for librknnmrt.so, the run-time of RV1103 and RV1106: rknn_api.h as the large one has it, but without copies alone,
// in 8 bits, and without conversions by the processor. [T] tables and examples of the same guide ([U] in rknn_api.h), chapter
// "zero-copy": 5-1 (blocks of 16 for int8, of 8 for float16), 5-2 (lines of 16 pixels, other inputs of 16 bytes), 5-5 and 5-7
// (types and orders of outputs); [D] the examples RV1106_RV1103 of rknpu2 (uint8: normalised and quantised by the NPU; int8:
// by the caller; NHWC alone); [I] airockchip/rknn-toolkit2, issues 304 (size_with_stride of OUTPUT_ATTR) and 335.
#include "../rknn/shared.hpp"

STANDIN("rknnmrt")

namespace {

constexpr std::size_t kAligned = 16;
constexpr int kNothing = 0x55;  // what fills up a block: nobody may take it for an answer

std::size_t up(std::size_t value, std::size_t to) { return (value + to - 1) / to * to; }

struct Bound {
  rknn_tensor_mem* memory = nullptr;
  rknn_tensor_attr attr{};
};

struct Context {
  std::shared_ptr<standin::Model> model;
  std::vector<Bound> in, out;
  std::set<rknn_tensor_mem*> memories;
};

std::map<rknn_context, Context>& contexts() {
  static auto* all = new std::map<rknn_context, Context>;
  return *all;
}

Context* find(rknn_context context, const char* call) { return find(&contexts(), context, call); }

bool image(const Tensor& tensor) { return tensor.shape.size() == 4; }

/// {N, C, H, W} of a tensor with fewer axes too: what follows the channels is 1.
std::vector<std::size_t> four(const Tensor& tensor) {
  std::vector<std::size_t> axes(4, 1);
  for (std::size_t i = 0; i < tensor.shape.size() && i < 4; ++i) axes[i] = static_cast<std::size_t>(tensor.shape[i]);
  return axes;
}

std::size_t block(const Tensor& tensor) { return kAligned / bytes_of(tensor.type); }

std::size_t blocks_bytes(const Tensor& tensor) {
  const std::vector<std::size_t> axes = four(tensor);
  return axes[0] * up(axes[1], block(tensor)) * axes[2] * axes[3] * bytes_of(tensor.type);
}

/// Where element {n, c, y, x} is in NC1HWC2, in elements ([T] 5-1).
std::size_t at(const Tensor& tensor, std::size_t n, std::size_t c, std::size_t pixel) {
  const std::vector<std::size_t> axes = four(tensor);
  const std::size_t c2 = block(tensor), c1 = up(axes[1], c2) / c2, plane = axes[2] * axes[3];
  return ((n * c1 + c / c2) * plane + pixel) * c2 + c % c2;
}

/// Between {N, C, H, W} and NC1HWC2, kept numbers. What fills up stays as it is.
void turn(const Tensor& tensor, const unsigned char* from, unsigned char* to, bool into_blocks) {
  const std::vector<std::size_t> axes = four(tensor);
  const std::size_t wide = bytes_of(tensor.type), plane = axes[2] * axes[3];
  for (std::size_t n = 0; n < axes[0]; ++n) {
    for (std::size_t c = 0; c < axes[1]; ++c) {
      for (std::size_t pixel = 0; pixel < plane; ++pixel) {
        const std::size_t plain = ((n * axes[1] + c) * plane + pixel) * wide, inside = at(tensor, n, c, pixel) * wide;
        std::memcpy(to + (into_blocks ? inside : plain), from + (into_blocks ? plain : inside), wide);
      }
    }
  }
}

/// [T] 5-2: inputs of 1, 3 or 4 channels are taken line by line, others in blocks.
bool lines(const Tensor& tensor) { return image(tensor) && (tensor.shape[1] == 1 || tensor.shape[1] == 3 || tensor.shape[1] == 4); }

void axes_to(rknn_tensor_attr* attr, rknn_tensor_format fmt, const std::vector<std::size_t>& axes) {
  attr->fmt = fmt;
  attr->n_dims = static_cast<std::uint32_t>(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) attr->dims[i] = static_cast<std::uint32_t>(axes[i]);
}

void common(const Tensor& tensor, std::uint32_t index, rknn_tensor_attr* attr) {
  std::memset(attr, 0, sizeof *attr);
  attr->index = index;
  std::strncpy(attr->name, tensor.name.c_str(), RKNN_MAX_NAME_LEN - 1);
  attr->n_elems = static_cast<std::uint32_t>(tensor.count());
  attr->size = static_cast<std::uint32_t>(tensor.size());
  attr->size_with_stride = static_cast<std::uint32_t>(up(tensor.size(), kAligned));
  attr->type = named(tensor.type);
  attr->qnt_type = tensor.quantised() ? RKNN_TENSOR_QNT_AFFINE_ASYMMETRIC : RKNN_TENSOR_QNT_NONE;
  attr->zp = tensor.zero;
  attr->scale = tensor.quantised() ? tensor.scale : 1.0F;
  const std::vector<std::size_t> as_said(tensor.shape.begin(), tensor.shape.end());
  axes_to(attr, image(tensor) ? RKNN_TENSOR_NCHW : RKNN_TENSOR_UNDEFINED, as_said);
}

void in_blocks(const Tensor& tensor, rknn_tensor_attr* attr) {
  const std::vector<std::size_t> axes = four(tensor);
  const std::size_t c2 = block(tensor);
  axes_to(attr, RKNN_TENSOR_NC1HWC2, {axes[0], up(axes[1], c2) / c2, axes[2], axes[3], c2});
  attr->size = attr->size_with_stride = static_cast<std::uint32_t>(blocks_bytes(tensor));
  attr->n_elems = attr->size / static_cast<std::uint32_t>(bytes_of(tensor.type));
}

void last(const Tensor& tensor, rknn_tensor_attr* attr) {
  const std::vector<std::size_t> axes = four(tensor);
  axes_to(attr, RKNN_TENSOR_NHWC, {axes[0], axes[2], axes[3], axes[1]});
}

void describe_input(const Tensor& tensor, std::uint32_t index, bool native, rknn_tensor_attr* attr) {
  common(tensor, index, attr);
  if (!image(tensor)) return;
  last(tensor, attr);
  if (lines(tensor)) {
    attr->w_stride = static_cast<std::uint32_t>(up(attr->dims[2], kAligned));
    attr->size_with_stride = attr->size / attr->dims[2] * attr->w_stride;
  } else if (native) {
    in_blocks(tensor, attr);
  }
}

void describe_output(const Tensor& tensor, std::uint32_t index, int cmd, rknn_tensor_attr* attr) {
  common(tensor, index, attr);
  const bool blocks = image(tensor) || tensor.layout == Layout::nc1hwc2;  // early releases: also of fewer axes ([D])
  if (cmd == RKNN_QUERY_NATIVE_OUTPUT_ATTR && blocks) in_blocks(tensor, attr);
  if (cmd == RKNN_QUERY_NATIVE_NHWC_OUTPUT_ATTR && image(tensor)) last(tensor, attr);
  if (cmd == RKNN_QUERY_OUTPUT_ATTR && blocks) attr->size_with_stride = static_cast<std::uint32_t>(blocks_bytes(tensor));
}

int bind_input(const Tensor& tensor, const rknn_tensor_attr& attr, std::size_t* needed) {
  const bool own = attr.type == named(tensor.type);
  if (!own && attr.type != RKNN_TENSOR_UINT8) return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: an input is int8 or uint8");
  if (attr.pass_through > 1 || (attr.pass_through == 1 && !own)) {
    return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: what passes through is of the model's own type");
  }
  *needed = up(tensor.size(), kAligned);
  if (!image(tensor)) return attr.fmt == RKNN_TENSOR_UNDEFINED ? RKNN_SUCC : RKNN_ERR_PARAM_INVALID;
  const bool blocks = attr.fmt == RKNN_TENSOR_NC1HWC2 && !lines(tensor) && attr.pass_through == 1;
  if (!blocks && (attr.fmt != RKNN_TENSOR_NHWC || (attr.pass_through == 1 && !lines(tensor)))) {
    return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: an input's fmt is NHWC");
  }
  if (blocks) *needed = blocks_bytes(tensor);
  if (lines(tensor)) *needed = tensor.size() / four(tensor)[3] * up(four(tensor)[3], kAligned);
  return RKNN_SUCC;
}

int bind_output(const Tensor& tensor, const rknn_tensor_attr& attr, std::size_t* needed) {
  if (attr.type != named(tensor.type)) {
    return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: an output is of the model's own type here");
  }
  const bool blocks = image(tensor) || tensor.layout == Layout::nc1hwc2;
  const bool right = attr.fmt == RKNN_TENSOR_NC1HWC2                                     ? blocks
                     : attr.fmt == RKNN_TENSOR_NCHW || attr.fmt == RKNN_TENSOR_NHWC ? image(tensor)
                                                                                         : !blocks;
  if (!right) return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: an output of " + tensor.name + " has not that fmt");
  *needed = attr.fmt == RKNN_TENSOR_NC1HWC2 ? blocks_bytes(tensor) : tensor.size();
  return RKNN_SUCC;
}

/// What lies in an input's memory, as real numbers {N, C, H, W}.
std::vector<float> read(const Tensor& tensor, const Bound& bound) {
  ledger().alive(bound.memory, kMemory, "rknn_run");
  const auto* from = static_cast<const unsigned char*>(bound.memory->virt_addr);
  std::vector<unsigned char> bytes(from, from + tensor.size());
  if (lines(tensor)) {
    const std::vector<std::size_t> axes = four(tensor);
    const std::size_t line = axes[3] * axes[1], apart = up(axes[3], kAligned) * axes[1];
    for (std::size_t row = 0; row < axes[0] * axes[2]; ++row) std::memcpy(bytes.data() + row * line, from + row * apart, line);
  } else if (bound.attr.fmt == RKNN_TENSOR_NC1HWC2) {
    turn(tensor, from, bytes.data(), false);
  }
  const bool own = bound.attr.type == named(tensor.type);
  Type type{};
  known(bound.attr.type, &type);
  std::vector<float> values = own ? standin::real(type, bytes.data(), tensor.count(), tensor.scale, tensor.zero)
                                  : standin::real(type, bytes.data(), tensor.count());
  if (bound.attr.fmt == RKNN_TENSOR_NHWC) values = standin::to_nchw(values, tensor.shape);
  standin::keep(values, tensor.type, bytes.data(), tensor.scale, tensor.zero);  // the NPU has no more than its type
  return standin::real(tensor.type, bytes.data(), tensor.count(), tensor.scale, tensor.zero);
}

void write(const Tensor& tensor, const std::vector<float>& values, const Bound& bound) {
  ledger().alive(bound.memory, kMemory, "rknn_run");
  auto* to = static_cast<unsigned char*>(bound.memory->virt_addr);
  std::vector<unsigned char> kept(tensor.size());
  const bool nhwc = bound.attr.fmt == RKNN_TENSOR_NHWC;
  standin::keep(nhwc ? standin::to_nhwc(values, tensor.shape) : values, tensor.type, kept.data(), tensor.scale, tensor.zero);
  if (bound.attr.fmt != RKNN_TENSOR_NC1HWC2) {
    std::memcpy(to, kept.data(), kept.size());
    return;
  }
  std::memset(to, kNothing, blocks_bytes(tensor));
  turn(tensor, kept.data(), to, true);
}

int bind(Context* context, rknn_tensor_mem* mem, const rknn_tensor_attr& attr) {
  for (const bool output : {false, true}) {
    const std::vector<Tensor>& tensors = output ? context->model->outputs : context->model->inputs;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].name != attr.name || attr.index != i) continue;
      std::size_t needed = 0;
      const int code = output ? bind_output(tensors[i], attr, &needed) : bind_input(tensors[i], attr, &needed);
      if (code != RKNN_SUCC) return code;
      if (mem->size < needed) {
        return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: the memory of " + tensors[i].name + " has " +
                                                   std::to_string(mem->size) + " bytes, needed " + std::to_string(needed));
      }
      (output ? context->out : context->in)[i] = Bound{mem, attr};
      return RKNN_SUCC;
    }
  }
  return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: no tensor of that name and index");
}

int general(rknn_context context, const char* call) {
  if (find(context, call) == nullptr) return RKNN_ERR_CTX_INVALID;
  return refused(RKNN_ERR_CTX_INVALID, std::string(call) + ": not in this library, which is without copies alone");  // [I] 335
}

}  // namespace

int rknn_init(rknn_context* context, void* model, uint32_t size, uint32_t flag, rknn_init_extend*) {
  const std::lock_guard held(standin::lock());
  if (context == nullptr || model == nullptr) return refused(RKNN_ERR_PARAM_INVALID, "rknn_init: NULL");
  if (flag > RKNN_FLAG_PRIOR_LOW) return refused(RKNN_ERR_PARAM_INVALID, "rknn_init: a flag that is not played here");
  Context made;
  int code = RKNN_SUCC;
  made.model = loaded(model, size, &code);
  if (!made.model) return code;
  for (const std::vector<Tensor>* all : {&made.model->inputs, &made.model->outputs}) {
    for (const Tensor& tensor : *all) {
      if (tensor.type != Type::i8) return refused(RKNN_ERR_TARGET_PLATFORM_UNMATCH, "rknn_init: the model is not in 8 bits");
    }
  }
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
  if (cmd == RKNN_QUERY_SDK_VERSION) return sized(size, sizeof(rknn_sdk_version)) ? versions(info) : RKNN_ERR_PARAM_INVALID;
  if (cmd == RKNN_QUERY_IN_OUT_NUM) {
    if (!sized(size, sizeof(rknn_input_output_num))) return RKNN_ERR_PARAM_INVALID;
    *static_cast<rknn_input_output_num*>(info) = {static_cast<std::uint32_t>(model.inputs.size()),
                                                  static_cast<std::uint32_t>(model.outputs.size())};
    return RKNN_SUCC;
  }
  const bool input = cmd == RKNN_QUERY_INPUT_ATTR || cmd == RKNN_QUERY_NATIVE_INPUT_ATTR || cmd == RKNN_QUERY_NATIVE_NHWC_INPUT_ATTR;
  if (!input && cmd != RKNN_QUERY_OUTPUT_ATTR && cmd != RKNN_QUERY_NATIVE_OUTPUT_ATTR && cmd != RKNN_QUERY_NATIVE_NHWC_OUTPUT_ATTR) {
    return refused(RKNN_ERR_PARAM_INVALID, "rknn_query: not played here");
  }
  if (!sized(size, sizeof(rknn_tensor_attr))) return RKNN_ERR_PARAM_INVALID;
  auto* attr = static_cast<rknn_tensor_attr*>(info);
  const std::uint32_t index = attr->index;
  const std::vector<Tensor>& tensors = input ? model.inputs : model.outputs;
  if (index >= tensors.size()) return refused(RKNN_ERR_PARAM_INVALID, "rknn_query: no tensor of that index");
  if (input) describe_input(tensors[index], index, cmd == RKNN_QUERY_NATIVE_INPUT_ATTR, attr);
  if (!input) describe_output(tensors[index], index, cmd, attr);
  return RKNN_SUCC;
}

int rknn_run(rknn_context context, rknn_run_extend*) {
  const std::lock_guard held(standin::lock());
  Context* found = find(context, "rknn_run");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  for (const Bound& one : found->in) {
    if (one.memory == nullptr) return refused(RKNN_ERR_INPUT_INVALID, "rknn_run: an input without rknn_set_io_mem");
  }
  for (const Bound& one : found->out) {
    if (one.memory == nullptr) return refused(RKNN_ERR_OUTPUT_INVALID, "rknn_run: an output without rknn_set_io_mem");
  }
  std::vector<std::vector<float>> given;
  for (std::size_t i = 0; i < found->in.size(); ++i) given.push_back(read(found->model->inputs[i], found->in[i]));
  const std::vector<std::vector<float>> results = found->model->compute(given);
  if (standin::lie("nothing-written")) return RKNN_SUCC;
  for (std::size_t i = 0; i < found->out.size(); ++i) write(found->model->outputs[i], results[i], found->out[i]);
  return RKNN_SUCC;
}

rknn_tensor_mem* rknn_create_mem(rknn_context ctx, uint32_t size) {
  const std::lock_guard held(standin::lock());
  Context* found = find(ctx, "rknn_create_mem");
  return found == nullptr ? nullptr : new_memory(&found->memories, size);
}

int rknn_destroy_mem(rknn_context ctx, rknn_tensor_mem* mem) {
  const std::lock_guard held(standin::lock());
  Context* found = find(ctx, "rknn_destroy_mem");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  free_memory(&found->memories, mem);  // what it was set for keeps it: a run after this is a use after free
  return RKNN_SUCC;
}

int rknn_set_io_mem(rknn_context ctx, rknn_tensor_mem* mem, rknn_tensor_attr* attr) {
  const std::lock_guard held(standin::lock());
  Context* found = find(ctx, "rknn_set_io_mem");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  if (mem == nullptr || attr == nullptr) return refused(RKNN_ERR_PARAM_INVALID, "rknn_set_io_mem: NULL");
  ledger().alive(mem, kMemory, "rknn_set_io_mem");
  if (found->memories.count(mem) == 0) fault("rknn_set_io_mem: the memory belongs to another context");
  return bind(found, mem, *attr);
}

int rknn_mem_sync(rknn_context context, rknn_tensor_mem* mem, rknn_mem_sync_mode mode) {
  const std::lock_guard held(standin::lock());
  if (find(context, "rknn_mem_sync") == nullptr) return RKNN_ERR_CTX_INVALID;
  ledger().alive(mem, kMemory, "rknn_mem_sync");
  if (mode < 1 || mode > 3) return refused(RKNN_ERR_PARAM_INVALID, "rknn_mem_sync: no such mode");
  return RKNN_SUCC;
}

int rknn_set_core_mask(rknn_context context, rknn_core_mask) { return general(context, "rknn_set_core_mask"); }
int rknn_inputs_set(rknn_context context, uint32_t, rknn_input[]) { return general(context, "rknn_inputs_set"); }
int rknn_outputs_get(rknn_context context, uint32_t, rknn_output[], rknn_output_extend*) {
  return general(context, "rknn_outputs_get");
}
int rknn_outputs_release(rknn_context context, uint32_t, rknn_output[]) { return general(context, "rknn_outputs_release"); }
