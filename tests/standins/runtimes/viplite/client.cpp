#include "../client.hpp"

#include <vip_lite.h>

namespace {

vip_buffer_create_params_t params(vip_network network, bool output, vip_uint32_t index) {
  const auto query = output ? vip_query_output : vip_query_input;
  vip_buffer_create_params_t made{};
  ok(query(network, index, VIP_BUFFER_PROP_NUM_OF_DIMENSION, &made.num_of_dims), "vip_query_input");
  ok(query(network, index, VIP_BUFFER_PROP_SIZES_OF_DIMENSION, made.sizes), "vip_query_input");
  ok(query(network, index, VIP_BUFFER_PROP_DATA_FORMAT, &made.data_format), "vip_query_input");
  ok(query(network, index, VIP_BUFFER_PROP_QUANT_FORMAT, &made.quant_format), "vip_query_input");
  if (made.quant_format == VIP_BUFFER_QUANTIZE_TF_ASYMM) {
    ok(query(network, index, VIP_BUFFER_PROP_TF_SCALE, &made.quant_data.affine.scale), "vip_query_input");
    ok(query(network, index, VIP_BUFFER_PROP_TF_ZERO_POINT, &made.quant_data.affine.zeroPoint), "vip_query_input");
  } else if (made.quant_format == VIP_BUFFER_QUANTIZE_DYNAMIC_FIXED_POINT) {
    vip_uint8_t point = 0;
    ok(query(network, index, VIP_BUFFER_PROP_FIXED_POINT_POS, &point), "vip_query_input");
    made.quant_data.dfp.fixed_point_pos = static_cast<std::int8_t>(point);
  }
  return made;
}

vip_buffer buffer(vip_buffer_create_params_t params) {
  vip_buffer made = VIP_NULL;
  ok(vip_create_buffer(&params, fault("size of another struct") ? 8 : sizeof params, &made), "vip_create_buffer");
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  begin(argc, argv);
  if (!fault("no vip_init")) ok(vip_init(), "vip_init");
  if (fault("vip_init twice")) ok(vip_init(), "vip_init");
  std::vector<char> file = contents(model_path);
  if (fault("half a network")) file.resize(file.size() / 2);
  vip_network network = VIP_NULL;
  ok(vip_create_network(file.data(), static_cast<vip_uint32_t>(file.size()), VIP_CREATE_NETWORK_FROM_MEMORY, &network), "vip_create_network");
  vip_uint32_t outputs = 0;
  ok(vip_query_network(network, VIP_NETWORK_PROP_OUTPUT_COUNT, &outputs), "vip_query_network");
  vip_buffer_create_params_t given = params(network, false, fault("input of no index") ? 3 : 0);
  must(outputs == 2 && given.sizes[0] == 5 && given.sizes[2] == kChannels && given.data_format == VIP_BUFFER_FORMAT_UINT8 &&
           given.quant_data.affine.scale == 1.0F,
       "the network is described otherwise");
  vip_float_t scale = 0;
  if (fault("scale of a fixed point")) ok(vip_query_output(network, 0, VIP_BUFFER_PROP_TF_SCALE, &scale), "vip_query_output");
  if (!fault("not prepared")) ok(vip_prepare_network(network), "vip_prepare_network");
  if (fault("another order of axes")) std::swap(given.sizes[0], given.sizes[2]);
  if (fault("another type")) given.data_format = VIP_BUFFER_FORMAT_INT8;
  if (fault("another quantisation")) given.quant_data.affine.zeroPoint = 7;
  if (fault("short input")) given.sizes[1] = 1;
  vip_buffer in = buffer(given);
  void* mapped = vip_map_buffer(in);
  if (!fault("short input")) std::memcpy(mapped, pixels.data(), pixels.size());
  if (!fault("not flushed")) ok(vip_flush_buffer(in, VIP_BUFFER_OPER_TYPE_FLUSH), "vip_flush_buffer");
  vip_unmap_buffer(in);
  if (fault("unmapped twice")) ok(vip_unmap_buffer(in), "vip_unmap_buffer");
  if (!fault("no input")) ok(vip_set_input(network, 0, in), "vip_set_input");
  vip_buffer_create_params_t known[2] = {params(network, true, 0), params(network, true, 1)};
  vip_buffer out[2] = {buffer(known[0]), buffer(known[1])};
  ok(vip_set_output(network, 0, out[0]), "vip_set_output");
  if (!fault("one output")) ok(vip_set_output(network, 1, out[1]), "vip_set_output");
  if (fault("input destroyed too early")) vip_destroy_buffer(in);
  if (fault("run before vip_prepare_network")) vip_finish_network(network);
  ok(vip_run_network(network), "vip_run_network");
  for (int i = 0; i < 2; ++i) {
    if (!fault("not invalidated")) ok(vip_flush_buffer(out[i], VIP_BUFFER_OPER_TYPE_INVALIDATE), "vip_flush_buffer");
    const auto* kept = static_cast<std::int8_t*>(vip_map_buffer(out[i]));
    must(!fault("not invalidated") || kept[0] != 0, "nothing came from the NPU");
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(kept);
    if (i == 0) show(kept, vip_get_buffer_size(out[0]), std::ldexp(1.0F, -known[0].quant_data.dfp.fixed_point_pos));
    if (i == 1) show(bytes, vip_get_buffer_size(out[1]), known[1].quant_data.affine.scale, known[1].quant_data.affine.zeroPoint);
    vip_unmap_buffer(out[i]);
  }
  const auto* kept = static_cast<std::int8_t*>(vip_map_buffer(out[0]));
  if (!fault("buffer not destroyed")) vip_destroy_buffer(out[0]);
  if (fault("read after its end")) show(kept, kLogits);
  if (fault("destroyed twice")) vip_destroy_buffer(out[0]);
  vip_destroy_buffer(out[1]);
  vip_destroy_buffer(in);
  if (fault("run after its buffers")) vip_run_network(network);
  if (!fault("not finished")) vip_finish_network(network);
  if (!fault("network not destroyed")) vip_destroy_network(network);
  if (fault("network after its end")) vip_prepare_network(network);
  if (!fault("no vip_destroy")) vip_destroy();
  if (fault("after vip_destroy")) vip_create_network(file.data(), 1, VIP_CREATE_NETWORK_FROM_MEMORY, &network);
  return 0;
}
