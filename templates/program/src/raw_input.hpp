// Raw inputs in an array, before any `pre`: pictures or sound, told apart by their type.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "image.hpp"
#include "npy.hpp"

namespace edgepack::program {

/// uint8 (N, H, W) or (N, H, W, C): pictures; float32 (N, samples) or (N, channels, samples): sound. Throws ReadError
/// for what is neither.
inline void check_inputs(const std::string& path, const NpyArray& inputs) {
  const std::vector<std::size_t>& shape = inputs.shape();
  const bool picture = inputs.type() == NpyArray::Type::uint8 && (shape.size() == 3 || shape.size() == 4);
  const bool sound = inputs.type() == NpyArray::Type::float32 && (shape.size() == 2 || shape.size() == 3);
  if (!picture && !sound) {
    throw ReadError(path + ": must be uint8 (N, H, W) or (N, H, W, C), or float32 (N, samples) or (N, channels, samples)");
  }
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    const bool samples = sound && axis + 1 == shape.size();
    if (shape[axis] > (samples ? std::size_t{1} << 30U : std::size_t{65535})) throw ReadError(path + ": an axis is too long");
  }
  if (sound && shape.size() == 3 && shape[1] > 64) throw ReadError(path + ": sound of more than 64 channels");
}

/// {channels, height, width}, or {channels, samples} as a WAV file has them. inputs: checked.
inline Tensor raw_input(const NpyArray& inputs, std::size_t n) {
  const std::vector<std::size_t>& shape = inputs.shape();
  if (inputs.type() == NpyArray::Type::uint8) {
    return image_tensor(inputs.bytes(n).data(), shape[1], shape[2], shape.size() == 4 ? shape[3] : 1);
  }
  const std::size_t channels = shape.size() == 3 ? shape[1] : 1;
  return {{static_cast<int>(channels), static_cast<int>(shape.back())}, inputs.floats(n)};
}

}  // namespace edgepack::program
