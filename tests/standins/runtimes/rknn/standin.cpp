// Stands for librknnrt.so. Inputs of images are native int8 (or float16) {N, H, W, C}, outputs {N, C, H, W}; what is given
// otherwise is converted as the reference says. What it has error codes for gets them; the rest is a fault.
#include "state.hpp"

STANDIN("rknn")

int rknn_init(rknn_context* context, void* model, uint32_t size, uint32_t, rknn_init_extend*) {
  const std::lock_guard held(standin::lock());
  if (context == nullptr || model == nullptr) return refused(RKNN_ERR_PARAM_INVALID, "rknn_init: NULL");
  Context made;
  int code = RKNN_SUCC;
  made.model = loaded(model, size, &code);
  if (!made.model) return code;
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
  switch (static_cast<int>(cmd)) {
    case RKNN_QUERY_IN_OUT_NUM: {
      if (!sized(size, sizeof(rknn_input_output_num))) return RKNN_ERR_PARAM_INVALID;
      *static_cast<rknn_input_output_num*>(info) = {static_cast<std::uint32_t>(model.inputs.size()),
                                                    static_cast<std::uint32_t>(model.outputs.size())};
      return RKNN_SUCC;
    }
    case RKNN_QUERY_INPUT_ATTR:
    case RKNN_QUERY_OUTPUT_ATTR:
    case RKNN_QUERY_NATIVE_NHWC_INPUT_ATTR:
    case RKNN_QUERY_NATIVE_INPUT_ATTR:
    case RKNN_QUERY_NATIVE_OUTPUT_ATTR: {
      if (!sized(size, sizeof(rknn_tensor_attr))) return RKNN_ERR_PARAM_INVALID;
      auto* attr = static_cast<rknn_tensor_attr*>(info);
      const bool output = cmd == RKNN_QUERY_OUTPUT_ATTR || cmd == RKNN_QUERY_NATIVE_OUTPUT_ATTR;
      const std::vector<Tensor>& tensors = output ? model.outputs : model.inputs;
      if (attr->index >= tensors.size()) return refused(RKNN_ERR_PARAM_INVALID, "rknn_query: no tensor of that index");
      const bool strides = cmd == RKNN_QUERY_NATIVE_NHWC_INPUT_ATTR || cmd == RKNN_QUERY_NATIVE_INPUT_ATTR;
      describe(tensors[attr->index], attr->index, strides, attr);
      return RKNN_SUCC;
    }
    case RKNN_QUERY_SDK_VERSION: return sized(size, sizeof(rknn_sdk_version)) ? versions(info) : RKNN_ERR_PARAM_INVALID;
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
  return found == nullptr ? nullptr : new_memory(&found->memories, size);
}

int rknn_destroy_mem(rknn_context ctx, rknn_tensor_mem* mem) {
  const std::lock_guard held(standin::lock());
  Context* found = find(ctx, "rknn_destroy_mem");
  if (found == nullptr) return RKNN_ERR_CTX_INVALID;
  free_memory(&found->memories, mem);
  for (std::vector<Bound>* bounds : {&found->in, &found->out}) {
    for (Bound& bound : *bounds) {
      if (bound.memory == mem) bound.memory = nullptr;
    }
  }
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
