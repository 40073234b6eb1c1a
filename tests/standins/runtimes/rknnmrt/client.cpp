#include "../client.hpp"

#include <rknn_api.h>

namespace {

rknn_tensor_attr asked(rknn_context context, rknn_query_cmd cmd, std::uint32_t index) {
  rknn_tensor_attr attr{};
  attr.index = index;
  ok(rknn_query(context, cmd, &attr, sizeof attr), "rknn_query");
  return attr;
}

/// Pixels in lines that lie w_stride apart, as bytes or already as the model keeps them.
void fill(const rknn_tensor_mem* memory, const rknn_tensor_attr& attr) {
  std::vector<std::uint8_t> image = last(pixels);
  if (attr.type == RKNN_TENSOR_INT8) {
    for (std::uint8_t& pixel : image) pixel = static_cast<std::uint8_t>(static_cast<int>(pixel) + attr.zp);
  }
  const std::size_t line = attr.dims[2] * attr.dims[3], apart = std::size_t{attr.w_stride} * attr.dims[3];
  for (std::size_t row = 0; row < attr.dims[1]; ++row) {
    std::memcpy(static_cast<char*>(memory->virt_addr) + row * apart, image.data() + row * line, line);
  }
}

void shown(const rknn_tensor_mem* memory, const rknn_tensor_attr& attr, std::size_t channels) {
  const auto* kept = static_cast<const std::int8_t*>(memory->virt_addr);
  if (attr.fmt == RKNN_TENSOR_UNDEFINED || attr.fmt == RKNN_TENSOR_NCHW) return show(kept, attr.n_elems, attr.scale, attr.zp);
  const bool blocks = attr.fmt == RKNN_TENSOR_NC1HWC2;
  const std::size_t plane = blocks ? attr.dims[2] * attr.dims[3] : attr.dims[1] * attr.dims[2];
  const std::size_t wide = blocks ? attr.dims[4] : channels;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t p = 0; p < plane; ++p) show(&kept[(c / wide * plane + p) * wide + c % wide], 1, attr.scale, attr.zp);
  }
}

void general(rknn_context context) {
  rknn_input input{};
  rknn_output outputs[2]{};
  if (fault("rknn_inputs_set")) ok(rknn_inputs_set(context, 1, &input), "rknn_inputs_set");
  if (fault("rknn_outputs_get")) ok(rknn_outputs_get(context, 2, outputs, nullptr), "rknn_outputs_get");
  if (fault("core mask")) ok(rknn_set_core_mask(context, RKNN_NPU_CORE_0), "rknn_set_core_mask");
}

struct Memories {
  rknn_tensor_mem* in;
  rknn_tensor_mem* out[2];
  rknn_tensor_attr attr, results[2];
};

Memories bound(rknn_context context) {
  Memories all{};
  all.attr = asked(context, fault("an output's description") ? RKNN_QUERY_OUTPUT_ATTR : RKNN_QUERY_NATIVE_INPUT_ATTR, 0);
  must(fault("an output's description") || (all.attr.type == RKNN_TENSOR_INT8 && all.attr.fmt == RKNN_TENSOR_NHWC && all.attr.w_stride == 16),
       "the input is described otherwise");
  if (!fault("quantised outside")) all.attr.type = RKNN_TENSOR_UINT8;
  if (fault("floats")) all.attr.type = RKNN_TENSOR_FLOAT32;
  if (fault("channels first")) all.attr.fmt = RKNN_TENSOR_NCHW;
  if (fault("bytes pass through")) all.attr.pass_through = 1;
  if (fault("name of nobody")) all.attr.name[0] = 'X';
  all.in = rknn_create_mem(context, fault("memory without strides") ? all.attr.size : all.attr.size_with_stride);
  if (!fault("input not set")) ok(rknn_set_io_mem(context, all.in, &all.attr), "rknn_set_io_mem");
  if (!fault("memory without strides") && !fault("an output's description")) fill(all.in, all.attr);
  const bool nhwc = fault("channels last"), plain = fault("as said");
  for (std::uint32_t i = 0; i < 2; ++i) {
    const rknn_query_cmd cmd = nhwc ? RKNN_QUERY_NATIVE_NHWC_OUTPUT_ATTR : plain ? RKNN_QUERY_OUTPUT_ATTR : RKNN_QUERY_NATIVE_OUTPUT_ATTR;
    rknn_tensor_attr& attr = all.results[i] = asked(context, cmd, i);
    if (fault("float outputs")) attr.type = RKNN_TENSOR_FLOAT32;
    if (fault("blocks of fewer axes")) attr.fmt = RKNN_TENSOR_NC1HWC2;
    all.out[i] = rknn_create_mem(context, fault("memory without blocks") && i == 1 ? kHeat : attr.size_with_stride);
    if (fault("one output") && i == 1) continue;
    ok(rknn_set_io_mem(context, all.out[i], &attr), "rknn_set_io_mem");
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  begin(argc, argv);
  std::vector<char> file = contents(model_path);
  if (fault("half a model")) file.resize(file.size() / 2);
  rknn_context context = 0, other = 0;
  ok(rknn_init(&context, file.data(), static_cast<std::uint32_t>(file.size()), fault("flag") ? RKNN_FLAG_MEM_ALLOC_OUTSIDE : 0, nullptr), "rknn_init");
  rknn_input_output_num count{};
  ok(rknn_query(context, RKNN_QUERY_IN_OUT_NUM, &count, fault("size of another struct") ? 4 : sizeof count), "rknn_query");
  if (fault("tensor of no index")) asked(context, RKNN_QUERY_NATIVE_OUTPUT_ATTR, 2);
  if (fault("context of nobody")) ok(rknn_run(context + 4096, nullptr), "rknn_run");
  general(context);
  Memories all = bound(context);
  if (fault("memory of another context")) {
    ok(rknn_init(&other, file.data(), static_cast<std::uint32_t>(file.size()), 0, nullptr), "rknn_init");
    rknn_set_io_mem(other, all.in, &all.attr);
  }
  if (fault("memory freed before the run")) rknn_destroy_mem(context, all.in);
  ok(rknn_run(context, nullptr), "rknn_run");
  const std::size_t channels[2] = {kLogits, 2};
  for (int i = 0; i < 2; ++i) {
    rknn_mem_sync(context, all.out[i], RKNN_MEMORY_SYNC_FROM_DEVICE);
    shown(all.out[i], all.results[i], channels[i]);
  }
  const void* kept = all.out[0]->virt_addr;
  for (rknn_tensor_mem* one : all.out) {
    if (!fault("memory not freed") && !fault("memory after its context")) rknn_destroy_mem(context, one);
  }
  if (fault("read after free")) show(static_cast<const std::int8_t*>(kept), kLogits);
  if (fault("sync after free")) rknn_mem_sync(context, all.out[0], RKNN_MEMORY_SYNC_FROM_DEVICE);
  rknn_destroy_mem(context, all.in);
  if (fault("memory after its context")) rknn_destroy(context);
  if (fault("memory freed twice")) rknn_destroy_mem(context, all.in);
  if (!fault("no destroy")) rknn_destroy(context);
  if (fault("destroyed twice")) rknn_destroy(context);
  if (fault("run after destroy")) rknn_run(context, nullptr);
  return 0;
}
