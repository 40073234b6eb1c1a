// Stands for libVIPlite.so. A buffer has two sides: what the processor wrote is with the NPU after FLUSH, and what the NPU
// wrote is with the processor after INVALIDATE, as where the two share no cache.
#pragma GCC visibility push(default)
#include "vip_lite.h"
#pragma GCC visibility pop

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "standin.hpp"

STANDIN("viplite")

using standin::complain;
using standin::fault;
using standin::ledger;
using standin::Tensor;
using standin::Type;

struct _vip_buffer {
  vip_buffer_create_params_t params;
  std::size_t size = 0;
  unsigned char* host = nullptr;
  std::vector<unsigned char> device;
  bool mapped = false;
};

struct _vip_network {
  std::shared_ptr<standin::Model> model;
  bool prepared = false;
  std::vector<vip_buffer> in, out;
};

namespace {

constexpr const char* kDriver = "vip_init";
constexpr const char* kNetwork = "vip_network";
constexpr const char* kBuffer = "vip_buffer";
constexpr const char* kPrepared = "prepared network";
bool begun = false;

vip_status_e refused(vip_status_e code, const std::string& why) {
  complain(why);
  return code;
}

void ready(const std::string& call) {
  if (!begun) fault(call + ": outside of vip_init and vip_destroy");
}

vip_buffer_format_e named(Type type) {
  switch (type) {
    case Type::f16: return VIP_BUFFER_FORMAT_FP16;
    case Type::i8: return VIP_BUFFER_FORMAT_INT8;
    case Type::u8:
    case Type::boolean: return VIP_BUFFER_FORMAT_UINT8;
    case Type::i16: return VIP_BUFFER_FORMAT_INT16;
    case Type::u16: return VIP_BUFFER_FORMAT_UINT16;
    case Type::i32: return VIP_BUFFER_FORMAT_INT32;
    case Type::u32: return VIP_BUFFER_FORMAT_UINT32;
    case Type::i64: return VIP_BUFFER_FORMAT_INT64;
    default: return VIP_BUFFER_FORMAT_FP32;
  }
}

std::size_t width(vip_enum format) {
  switch (format) {
    case VIP_BUFFER_FORMAT_FP64:
    case VIP_BUFFER_FORMAT_INT64:
    case VIP_BUFFER_FORMAT_UINT64: return 8;
    case VIP_BUFFER_FORMAT_FP32:
    case VIP_BUFFER_FORMAT_INT32:
    case VIP_BUFFER_FORMAT_UINT32: return 4;
    case VIP_BUFFER_FORMAT_FP16:
    case VIP_BUFFER_FORMAT_BFP16:
    case VIP_BUFFER_FORMAT_INT16:
    case VIP_BUFFER_FORMAT_UINT16: return 2;
    default: return 1;
  }
}

/// A scale of 1/2^n without a zero is dynamic fixed point with its point at n, as Acuity's `dynamic_fixed_point` has it.
vip_buffer_quantize_format_e quantised(const Tensor& tensor) {
  if (!tensor.quantised()) return VIP_BUFFER_QUANTIZE_NONE;
  const bool fixed = tensor.type != Type::u8 && tensor.zero == 0 && std::exp2(std::round(std::log2(tensor.scale))) == tensor.scale;
  return fixed ? VIP_BUFFER_QUANTIZE_DYNAMIC_FIXED_POINT : VIP_BUFFER_QUANTIZE_TF_ASYMM;
}

vip_int32_t point(const Tensor& tensor) { return static_cast<vip_int32_t>(-std::round(std::log2(tensor.scale))); }

/// Width first.
std::vector<vip_uint32_t> sizes(const Tensor& tensor) {
  const std::vector<int> laid = tensor.laid();
  return {laid.rbegin(), laid.rend()};
}

vip_status_e describe(const std::vector<Tensor>& tensors, vip_uint32_t index, vip_enum property, void* value,
                      const std::string& call) {
  if (index >= tensors.size() || value == nullptr) return refused(VIP_ERROR_INVALID_ARGUMENTS, call + ": no such tensor, or NULL");
  const Tensor& tensor = tensors[index];
  const vip_buffer_quantize_format_e kind = quantised(tensor);
  switch (property) {
    case VIP_BUFFER_PROP_QUANT_FORMAT: *static_cast<vip_uint32_t*>(value) = static_cast<vip_uint32_t>(kind); break;
    case VIP_BUFFER_PROP_NUM_OF_DIMENSION:
      *static_cast<vip_uint32_t*>(value) = static_cast<vip_uint32_t>(tensor.shape.size());
      break;
    case VIP_BUFFER_PROP_SIZES_OF_DIMENSION: {
      const std::vector<vip_uint32_t> found = sizes(tensor);
      std::memcpy(value, found.data(), found.size() * sizeof(vip_uint32_t));
      break;
    }
    case VIP_BUFFER_PROP_DATA_FORMAT: *static_cast<vip_uint32_t*>(value) = static_cast<vip_uint32_t>(named(tensor.type)); break;
    case VIP_BUFFER_PROP_FIXED_POINT_POS:
      if (kind != VIP_BUFFER_QUANTIZE_DYNAMIC_FIXED_POINT) return refused(VIP_ERROR_INVALID_ARGUMENTS, call + ": it has no fixed point");
      *static_cast<vip_uint8_t*>(value) = static_cast<vip_uint8_t>(point(tensor));
      break;
    case VIP_BUFFER_PROP_TF_SCALE:
    case VIP_BUFFER_PROP_TF_ZERO_POINT:
      if (kind != VIP_BUFFER_QUANTIZE_TF_ASYMM) return refused(VIP_ERROR_INVALID_ARGUMENTS, call + ": it has no scale");
      if (property == VIP_BUFFER_PROP_TF_SCALE) {
        *static_cast<vip_float_t*>(value) = tensor.scale;
      } else {
        *static_cast<vip_uint32_t*>(value) = static_cast<vip_uint32_t>(tensor.zero);
      }
      break;
    case VIP_BUFFER_PROP_NAME:
      std::memset(value, 0, 64);
      std::strncpy(static_cast<char*>(value), tensor.name.c_str(), 63);
      break;
    default: return refused(VIP_ERROR_INVALID_ARGUMENTS, call + ": no such property");
  }
  return VIP_SUCCESS;
}

/// Whether a buffer was made as the tensor is: what the driver would take as it is, and compute from wrongly.
vip_status_e attach(vip_network network, std::vector<vip_buffer>* places, const std::vector<Tensor>& tensors, vip_uint32_t index,
                    vip_buffer buffer, const std::string& call) {
  ready(call);
  ledger().alive(network, kNetwork, call);
  ledger().alive(buffer, kBuffer, call);
  if (!network->prepared) return refused(VIP_ERROR_NETWORK_NOT_PREPARED, call + ": before vip_prepare_network");
  if (index >= tensors.size()) return refused(VIP_ERROR_INVALID_ARGUMENTS, call + ": no tensor of that index");
  const Tensor& tensor = tensors[index];
  if (buffer->size < tensor.size()) {
    return refused(VIP_ERROR_INVALID_ARGUMENTS, call + ": a buffer of " + std::to_string(buffer->size) + " bytes for " +
                                                    tensor.name + ", needed " + std::to_string(tensor.size()));
  }
  const vip_buffer_create_params_t& params = buffer->params;
  const std::vector<vip_uint32_t> wanted = sizes(tensor);
  if (params.num_of_dims != wanted.size() || !std::equal(wanted.begin(), wanted.end(), params.sizes)) {
    fault(call + ": the buffer of " + tensor.name + " was made with other sizes, or in another order");
  }
  if (params.data_format != named(tensor.type)) fault(call + ": the buffer of " + tensor.name + " was made of another type");
  const vip_buffer_quantize_format_e kind = quantised(tensor);
  const bool same = kind == VIP_BUFFER_QUANTIZE_NONE ? true
                    : kind == VIP_BUFFER_QUANTIZE_DYNAMIC_FIXED_POINT
                        ? params.quant_data.dfp.fixed_point_pos == point(tensor)
                        : params.quant_data.affine.scale == tensor.scale && params.quant_data.affine.zeroPoint == tensor.zero;
  if (params.quant_format != static_cast<vip_enum>(kind) || !same) {
    fault(call + ": the buffer of " + tensor.name + " was made with another quantisation");
  }
  places->resize(tensors.size(), nullptr);
  (*places)[index] = buffer;
  return VIP_SUCCESS;
}

}  // namespace

vip_uint32_t vip_get_version(void) { return 0x00010D00; }

vip_status_e vip_init(void) {
  const std::lock_guard held(standin::lock());
  if (begun) return refused(VIP_ERROR_FAILURE, "vip_init: a second time");
  begun = true;
  ledger().born(&begun, kDriver, "vip_destroy");
  return VIP_SUCCESS;
}

vip_status_e vip_destroy(void) {
  const std::lock_guard held(standin::lock());
  ready("vip_destroy");
  if (ledger().living(kNetwork) != 0) fault("vip_destroy: a vip_network without vip_destroy_network");
  if (ledger().living(kBuffer) != 0) fault("vip_destroy: a vip_buffer without vip_destroy_buffer");
  ledger().died(&begun, kDriver, "vip_destroy");
  begun = false;
  return VIP_SUCCESS;
}

vip_status_e vip_create_buffer(vip_buffer_create_params_t* create_param, vip_uint32_t size_of_param, vip_buffer* buffer) {
  const std::lock_guard held(standin::lock());
  ready("vip_create_buffer");
  if (create_param == nullptr || buffer == nullptr || size_of_param != sizeof *create_param) {
    return refused(VIP_ERROR_INVALID_ARGUMENTS, "vip_create_buffer: NULL, or the size of another struct");
  }
  if (create_param->num_of_dims < 1 || create_param->num_of_dims > 6) {
    return refused(VIP_ERROR_INVALID_ARGUMENTS, "vip_create_buffer: 1 to 6 axes");
  }
  auto* made = new _vip_buffer;
  made->params = *create_param;
  made->size = width(create_param->data_format);
  for (vip_uint32_t i = 0; i < create_param->num_of_dims; ++i) made->size *= create_param->sizes[i];
  made->host = static_cast<unsigned char*>(std::calloc(1, made->size));
  made->device.assign(made->size, 0);
  *buffer = made;
  ledger().born(made, kBuffer, "vip_destroy_buffer", made->size);
  return VIP_SUCCESS;
}

vip_status_e vip_destroy_buffer(vip_buffer buffer) {
  const std::lock_guard held(standin::lock());
  ready("vip_destroy_buffer");
  ledger().died(buffer, kBuffer, "vip_destroy_buffer");
  std::free(buffer->host);
  delete buffer;
  return VIP_SUCCESS;
}

void* vip_map_buffer(vip_buffer buffer) {
  const std::lock_guard held(standin::lock());
  ledger().alive(buffer, kBuffer, "vip_map_buffer");
  buffer->mapped = true;
  return buffer->host;
}

vip_status_e vip_unmap_buffer(vip_buffer buffer) {
  const std::lock_guard held(standin::lock());
  ledger().alive(buffer, kBuffer, "vip_unmap_buffer");
  if (!buffer->mapped) return refused(VIP_ERROR_INVALID_ARGUMENTS, "vip_unmap_buffer: it is not mapped");
  buffer->mapped = false;
  return VIP_SUCCESS;
}

vip_uint32_t vip_get_buffer_size(vip_buffer buffer) {
  const std::lock_guard held(standin::lock());
  ledger().alive(buffer, kBuffer, "vip_get_buffer_size");
  return static_cast<vip_uint32_t>(buffer->size);
}

vip_status_e vip_flush_buffer(vip_buffer buffer, vip_buffer_operation_type_e type) {
  const std::lock_guard held(standin::lock());
  ledger().alive(buffer, kBuffer, "vip_flush_buffer");
  if (type == VIP_BUFFER_OPER_TYPE_FLUSH) {
    std::memcpy(buffer->device.data(), buffer->host, buffer->size);
  } else if (type == VIP_BUFFER_OPER_TYPE_INVALIDATE) {
    std::memcpy(buffer->host, buffer->device.data(), buffer->size);
  } else {
    return refused(VIP_ERROR_INVALID_ARGUMENTS, "vip_flush_buffer: no such operation");
  }
  return VIP_SUCCESS;
}

vip_status_e vip_create_network(const void* data, vip_uint32_t size_of_data, vip_create_network_type_e type,
                                vip_network* network) {
  const std::lock_guard held(standin::lock());
  ready("vip_create_network");
  if (data == nullptr || network == nullptr) return refused(VIP_ERROR_INVALID_ARGUMENTS, "vip_create_network: NULL");
  std::vector<unsigned char> bytes;
  if (type == VIP_CREATE_NETWORK_FROM_MEMORY) {
    bytes.assign(static_cast<const unsigned char*>(data), static_cast<const unsigned char*>(data) + size_of_data);
  } else if (type != VIP_CREATE_NETWORK_FROM_FILE) {
    return refused(VIP_ERROR_NOT_SUPPORTED, "vip_create_network: no such type");
  } else if (!standin::read_file(static_cast<const char*>(data), &bytes)) {
    return refused(VIP_ERROR_IO, "vip_create_network: no such file");
  }
  std::string why;
  auto made = std::make_unique<_vip_network>();
  made->model = standin::Model::read(bytes.data(), bytes.size(), "VPMN", &why);
  if (!made->model) return refused(VIP_ERROR_INVALID_NETWORK, "vip_create_network: not a network binary: " + why);
  *network = made.release();
  ledger().born(*network, kNetwork, "vip_destroy_network");
  return VIP_SUCCESS;
}

vip_status_e vip_destroy_network(vip_network network) {
  const std::lock_guard held(standin::lock());
  ready("vip_destroy_network");
  if (ledger().lives(network, kNetwork) && network->prepared) fault("vip_destroy_network: before vip_finish_network");
  ledger().died(network, kNetwork, "vip_destroy_network");
  delete network;
  return VIP_SUCCESS;
}

vip_status_e vip_query_network(vip_network network, vip_enum property, void* value) {
  const std::lock_guard held(standin::lock());
  ledger().alive(network, kNetwork, "vip_query_network");
  const standin::Model& model = *network->model;
  switch (property) {
    case VIP_NETWORK_PROP_LAYER_COUNT: *static_cast<vip_uint32_t*>(value) = 1; break;
    case VIP_NETWORK_PROP_INPUT_COUNT: *static_cast<vip_uint32_t*>(value) = static_cast<vip_uint32_t>(model.inputs.size()); break;
    case VIP_NETWORK_PROP_OUTPUT_COUNT: *static_cast<vip_uint32_t*>(value) = static_cast<vip_uint32_t>(model.outputs.size()); break;
    case VIP_NETWORK_PROP_NETWORK_NAME:
      std::memset(value, 0, 64);
      std::strncpy(static_cast<char*>(value), model.name.c_str(), 63);
      break;
    default: return refused(VIP_ERROR_INVALID_ARGUMENTS, "vip_query_network: no such property");
  }
  return VIP_SUCCESS;
}

vip_status_e vip_query_input(vip_network network, vip_uint32_t index, vip_enum property, void* value) {
  const std::lock_guard held(standin::lock());
  ledger().alive(network, kNetwork, "vip_query_input");
  return describe(network->model->inputs, index, property, value, "vip_query_input");
}

vip_status_e vip_query_output(vip_network network, vip_uint32_t index, vip_enum property, void* value) {
  const std::lock_guard held(standin::lock());
  ledger().alive(network, kNetwork, "vip_query_output");
  return describe(network->model->outputs, index, property, value, "vip_query_output");
}

vip_status_e vip_prepare_network(vip_network network) {
  const std::lock_guard held(standin::lock());
  ready("vip_prepare_network");
  ledger().alive(network, kNetwork, "vip_prepare_network");
  if (!network->prepared) ledger().born(&network->prepared, kPrepared, "vip_finish_network");
  network->prepared = true;
  return VIP_SUCCESS;
}

vip_status_e vip_finish_network(vip_network network) {
  const std::lock_guard held(standin::lock());
  ready("vip_finish_network");
  ledger().alive(network, kNetwork, "vip_finish_network");
  if (network->prepared) ledger().died(&network->prepared, kPrepared, "vip_finish_network");
  network->prepared = false;
  return VIP_SUCCESS;
}

vip_status_e vip_set_input(vip_network network, vip_uint32_t index, vip_buffer input) {
  const std::lock_guard held(standin::lock());
  ledger().alive(network, kNetwork, "vip_set_input");
  return attach(network, &network->in, network->model->inputs, index, input, "vip_set_input");
}

vip_status_e vip_set_output(vip_network network, vip_uint32_t index, vip_buffer output) {
  const std::lock_guard held(standin::lock());
  ledger().alive(network, kNetwork, "vip_set_output");
  return attach(network, &network->out, network->model->outputs, index, output, "vip_set_output");
}

vip_status_e vip_run_network(vip_network network) {
  const std::lock_guard held(standin::lock());
  ready("vip_run_network");
  ledger().alive(network, kNetwork, "vip_run_network");
  if (!network->prepared) return refused(VIP_ERROR_NETWORK_NOT_PREPARED, "vip_run_network: before vip_prepare_network");
  std::vector<const void*> in;
  std::vector<void*> out;
  for (vip_buffer buffer : network->in) {
    if (buffer == nullptr) continue;
    ledger().alive(buffer, kBuffer, "vip_run_network");
    if (std::memcmp(buffer->host, buffer->device.data(), buffer->size) != 0) {
      fault("vip_run_network: an input was written and not flushed (vip_flush_buffer)");
    }
    in.push_back(buffer->device.data());
  }
  for (vip_buffer buffer : network->out) {
    if (buffer == nullptr) continue;
    ledger().alive(buffer, kBuffer, "vip_run_network");
    out.push_back(buffer->device.data());
  }
  if (in.size() != network->model->inputs.size() || out.size() != network->model->outputs.size()) {
    return refused(VIP_ERROR_MISSING_INPUT_OUTPUT, "vip_run_network: an input or an output was not set");
  }
  network->model->run(in, out);
  return VIP_SUCCESS;
}
