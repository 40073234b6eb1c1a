#include "../client.hpp"

#include <bmruntime_interface.h>

int main(int argc, char** argv) {
  begin(argc, argv);
  bm_handle_t device = nullptr;
  ok(bm_dev_request(&device, fault("another device") ? 3 : 0), "bm_dev_request");
  void* runtime = bmrt_create(device);
  std::vector<char> file = contents(model_path);
  if (fault("half a model")) file.resize(file.size() / 2);
  must(bmrt_load_bmodel_data(runtime, file.data(), file.size()), "bmrt_load_bmodel_data");
  const char** names = nullptr;
  bmrt_get_network_names(runtime, &names);
  const bm_net_info_t* net = bmrt_get_network_info(runtime, names[0]);
  must(net != nullptr && net->input_num == 1 && net->output_num == 2 && net->stage_num == 1, "described otherwise");
  must(net->input_dtypes[0] == BM_INT8 && net->input_scales[0] == 0.5F, "the input is described otherwise");
  bm_shape_t shape = net->stages[0].input_shapes[0];
  if (fault("wrong shape")) std::swap(shape.dims[2], shape.dims[3]);
  bm_tensor_t in{};
  bmrt_tensor(&in, runtime, fault("wrong type") ? BM_FLOAT32 : BM_INT8, shape);
  std::vector<std::int8_t> image;
  for (const std::uint8_t pixel : pixels) image.push_back(static_cast<std::int8_t>(std::nearbyint(pixel * net->input_scales[0])));
  unsigned int size = static_cast<unsigned int>(image.size());
  ok(bm_memcpy_s2d_partial(device, in.device_mem, image.data(), size + (fault("too many bytes") ? 1 : 0)),
     "bm_memcpy_s2d_partial");
  if (fault("four batches in a word")) in.st_mode = BM_STORE_4N;
  bm_tensor_t out[2]{};
  const bool own = !fault("memory of the run-time") && !fault("outputs not freed");
  for (int i = 0; own && i < 2; ++i) {
    const std::size_t bytes = net->max_output_bytes[i] - (fault("short output") ? 1 : 0);
    ok(bm_malloc_device_byte(device, &out[i].device_mem, static_cast<unsigned int>(bytes)), "bm_malloc_device_byte");
  }
  must(bmrt_launch_tensor_ex(runtime, fault("another network") ? "other" : names[0], &in, 1, out, fault("one output") ? 1 : 2,
                             own, false),
       "bmrt_launch_tensor_ex");
  if (fault("memory freed too early")) bm_free_device(device, in.device_mem);
  if (fault("destroyed too early")) bmrt_destroy(runtime);
  if (!fault("no sync")) ok(bm_thread_sync(device), "bm_thread_sync");
  for (int i = 0; i < 2; ++i) {
    std::vector<std::int8_t> kept(net->max_output_bytes[i]);
    ok(bm_memcpy_d2s_partial(device, kept.data(), out[i].device_mem, static_cast<unsigned int>(kept.size())),
       "bm_memcpy_d2s_partial");
    show(kept.data(), kept.size(), net->output_scales[i]);
  }
  if (fault("device's address followed")) show(reinterpret_cast<std::int8_t*>(out[0].device_mem.u.device.device_addr), kLogits);
  for (const bm_tensor_t& one : out) {
    if (!fault("outputs not freed")) bm_free_device(device, one.device_mem);
  }
  if (fault("output freed twice")) bm_free_device(device, out[0].device_mem);
  if (!fault("input not freed")) bm_free_device(device, in.device_mem);
  if (fault("copied after free")) bm_memcpy_s2d(device, in.device_mem, image.data());
  const float* scales = net->output_scales;
  if (!fault("names not freed")) free(names);
  names = nullptr;
  if (fault("device freed before the runtime")) bm_dev_free(device);
  if (!fault("no destroy")) bmrt_destroy(runtime);
  if (fault("destroyed twice")) bmrt_destroy(runtime);
  if (fault("info after destroy")) show(scales, 1);
  if (!fault("device not freed")) bm_dev_free(device);
  return 0;
}
