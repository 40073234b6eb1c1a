#include "../client.hpp"

#include <rknn_api.h>

namespace {

void with_copies(rknn_context context) {
  std::vector<std::uint8_t> image = last(pixels);
  rknn_input input{};
  input.buf = image.data();
  input.size = static_cast<std::uint32_t>(image.size()) - (fault("short input") ? 1 : 0);
  input.type = fault("wrong type") ? RKNN_TENSOR_FLOAT32 : RKNN_TENSOR_UINT8;
  input.fmt = fault("no layout") ? RKNN_TENSOR_UNDEFINED : RKNN_TENSOR_NHWC;
  if (fault("input of no index")) input.index = 1;
  if (!fault("run before inputs")) {
    ok(rknn_inputs_set(context, fault("two inputs") ? 2 : 1, &input), "rknn_inputs_set");
  }
  ok(fault("outputs before run") ? RKNN_SUCC : rknn_run(context, nullptr), "rknn_run");
  if (fault("run twice with one input")) ok(rknn_run(context, nullptr), "rknn_run");
  std::vector<float> logits(kLogits);
  rknn_output outputs[2]{};
  outputs[0].want_float = outputs[1].want_float = 1;
  outputs[1].index = 1;
  if (fault("short output")) {
    outputs[0].is_prealloc = 1;
    outputs[0].buf = logits.data();
    outputs[0].size = kLogits;  // numbers, not bytes
  }
  ok(rknn_outputs_get(context, fault("one output") ? 1 : 2, outputs, nullptr), "rknn_outputs_get");
  show(static_cast<float*>(outputs[0].buf), kLogits);
  show(static_cast<float*>(outputs[1].buf), kHeat);
  if (fault("get twice")) rknn_outputs_get(context, 2, outputs, nullptr);
  if (fault("run before release")) rknn_run(context, nullptr);
  const float* kept = static_cast<float*>(outputs[1].buf);
  if (fault("another buffer released")) outputs[0].buf = logits.data();
  if (!fault("no release")) rknn_outputs_release(context, 2, outputs);
  if (fault("release twice")) rknn_outputs_release(context, 2, outputs);
  if (fault("read after release")) show(kept, kHeat);
}

void without_copies(rknn_context context) {
  rknn_tensor_attr in{}, out[2]{};
  ok(rknn_query(context, RKNN_QUERY_NATIVE_NHWC_INPUT_ATTR, &in, sizeof in), "rknn_query");
  in.type = RKNN_TENSOR_UINT8;
  rknn_tensor_mem* memory = rknn_create_mem(context, fault("memory without strides") ? in.size : in.size_with_stride);
  const std::vector<std::uint8_t> image = last(pixels);
  const std::size_t width = in.dims[2], pixel = in.dims[3], line = in.w_stride;
  for (std::size_t row = 0; row < in.dims[1]; ++row) {
    const std::size_t at = fault("memory without strides") ? row * width : row * line;
    std::memcpy(static_cast<char*>(memory->virt_addr) + at * pixel, image.data() + row * width * pixel, width * pixel);
  }
  ok(rknn_set_io_mem(context, memory, &in), "rknn_set_io_mem");
  rknn_tensor_mem* results[2];
  for (std::uint32_t i = 0; i < 2; ++i) {
    out[i].index = i;
    ok(rknn_query(context, RKNN_QUERY_OUTPUT_ATTR, &out[i], sizeof out[i]), "rknn_query");
    out[i].type = RKNN_TENSOR_FLOAT32;
    results[i] = rknn_create_mem(context, out[i].n_elems * (fault("memory of bytes") ? 1 : 4));
    ok(rknn_set_io_mem(context, results[i], &out[i]), "rknn_set_io_mem");
  }
  ok(rknn_run(context, nullptr), "rknn_run");
  for (rknn_tensor_mem* one : results) {
    rknn_mem_sync(context, one, RKNN_MEMORY_SYNC_FROM_DEVICE);
    show(static_cast<float*>(one->virt_addr), one->size / sizeof(float));
    if (!fault("memory not freed")) rknn_destroy_mem(context, one);
  }
  rknn_destroy_mem(context, memory);
  if (fault("memory freed twice")) rknn_destroy_mem(context, memory);
}

}  // namespace

int main(int argc, char** argv) {
  begin(argc, argv);
  std::vector<char> file = contents(model_path);
  if (fault("half a model")) file.resize(file.size() / 2);
  if (fault("another vendor's model")) file[0] = 'X';
  rknn_context context = 0;
  ok(rknn_init(&context, file.data(), static_cast<std::uint32_t>(file.size()), 0, nullptr), "rknn_init");
  rknn_input_output_num count{};
  ok(rknn_query(context, RKNN_QUERY_IN_OUT_NUM, &count, fault("size of another struct") ? 4 : sizeof count), "rknn_query");
  rknn_tensor_attr attr{};
  attr.index = fault("tensor of no index") ? 7 : 0;
  ok(rknn_query(context, RKNN_QUERY_INPUT_ATTR, &attr, sizeof attr), "rknn_query");
  const bool described = count.n_output == 2 && attr.n_dims == 4 && attr.dims[3] == kChannels &&
                         attr.fmt == RKNN_TENSOR_NHWC && attr.type == RKNN_TENSOR_INT8 &&
                         attr.qnt_type == RKNN_TENSOR_QNT_AFFINE_ASYMMETRIC && attr.zp == -128 && attr.scale == 1.0F;
  must(described, "the model is described otherwise");
  if (fault("context of nobody")) ok(rknn_run(context + 4096, nullptr), "rknn_run");
  if (the_fault.rfind("memory", 0) == 0 || the_fault == "zero-copy") {
    without_copies(context);
  } else {
    with_copies(context);
  }
  if (!fault("no destroy")) rknn_destroy(context);
  if (fault("destroy twice")) rknn_destroy(context);
  if (fault("run after destroy")) rknn_run(context, nullptr);
  return 0;
}
