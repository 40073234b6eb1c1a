// What the stand-in knows of a context with inputs, outputs and memory. Included once, by standin.cpp.
#pragma once

#include "shared.hpp"

namespace {

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

Context* find(rknn_context context, const char* call) { return find(&contexts(), context, call); }

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
