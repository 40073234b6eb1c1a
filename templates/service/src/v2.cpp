#include "v2.hpp"

namespace edgepack::program {

std::size_t elements_of(const InputTensor& input, std::size_t most) {
  std::size_t count = 1;
  bool empty = false;
  for (const std::int64_t axis : input.shape) {
    if (axis < 0) throw Refusal(Why::invalid, "input '" + input.name + "': its shape has a negative axis");
    if (axis == 0) empty = true;
    // By division, as the product may not fit.
    if (!empty && static_cast<std::uint64_t>(axis) > most / count) {
      throw Refusal(Why::invalid, "input '" + input.name + "': its shape has more elements than a request may carry");
    }
    if (!empty) count *= static_cast<std::size_t>(axis);
  }
  return empty ? 0 : count;
}

std::size_t size_of_datatype(const std::string& datatype) {
  if (datatype == "BYTES") return 0;
  if (datatype == "FP32" || datatype == "INT32" || datatype == "UINT32") return 4;
  if (datatype == "UINT8" || datatype == "INT8" || datatype == "BOOL") return 1;
  if (datatype == "FP16" || datatype == "BF16" || datatype == "INT16" || datatype == "UINT16") return 2;
  if (datatype == "FP64" || datatype == "INT64" || datatype == "UINT64") return 8;
  throw Refusal(Why::invalid, "'" + datatype.substr(0, 32) + "' is no datatype of the protocol");
}

}  // namespace edgepack::program
