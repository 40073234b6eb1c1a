// A model's tensor as an accelerator keeps it, in memory of this program: what is copied to the device and back.
#pragma once

#include <cstddef>
#include <vector>

#include "file.hpp"
#include "numbers.hpp"
#include "shapes.hpp"

namespace edgepack::program {

/// The model's file. Throws ModelError.
inline std::vector<unsigned char> model_bytes(const std::string& file) {
  constexpr std::size_t kMost = 0x7fffffff;  // what every runtime's sizes can say
  try {
    return read_whole(file, kMost, true);
  } catch (const ReadError& error) {
    throw ModelError(error.what());
  }
}

class NativeTensor {
 public:
  NativeTensor(const TensorInfo& info, Kind kind, Scale scale = {})
      : info_(info), kind_(kind), scale_(scale), bytes_(elements(info.shape) * width(kind)), floats_(elements(info.shape)) {}

  /// Into `bytes`, as the accelerator keeps it.
  void take(const Tensor& tensor) {
    to_native(tensor.data.data(), info_, floats_.data());
    encode(floats_.data(), floats_.size(), kind_, scale_, bytes_.data());
  }

  /// What `bytes` say.
  Tensor give() {
    decode(bytes_.data(), floats_.size(), kind_, scale_, floats_.data());
    return from_native(floats_.data(), info_);
  }

  /// The bytes, to be read or written by the runtime.
  unsigned char* data() { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  const TensorInfo& info() const { return info_; }

 private:
  TensorInfo info_;
  Kind kind_;
  Scale scale_;
  std::vector<unsigned char> bytes_;
  std::vector<float> floats_;
};

}  // namespace edgepack::program
