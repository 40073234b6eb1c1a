// What every runtime does with shapes: count, say, compare.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "model.hpp"

namespace edgepack::program {

template <class Axis>
std::size_t elements(const std::vector<Axis>& shape) {
  std::size_t count = 1;
  for (const Axis axis : shape) count *= static_cast<std::size_t>(axis);
  return count;
}

template <class Axis>
std::string words(const std::vector<Axis>& shape) {
  std::string text = "{";
  for (const Axis axis : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(axis);
  return text + "}";
}

/// Axes of length 1 in front say nothing about the order of the numbers.
inline std::vector<int> significant(const std::vector<int>& shape) {
  return {std::find_if(shape.begin(), shape.end(), [](int axis) { return axis != 1; }), shape.end()};
}

/// Throws ModelError where `pre` gives something else than the model takes.
inline void require_fits(const Tensor& input, const TensorInfo& model) {
  if (significant(input.shape) != significant(model.shape) || input.data.size() != elements(model.shape)) {
    throw ModelError("`pre` gives " + words(input.shape) + ", the model takes " + words(model.shape));
  }
}

/// Throws ModelError where the runtime has another number of values than the tensor that it is to be.
inline void require_count(std::size_t count, const TensorInfo& tensor) {
  if (count != elements(tensor.shape)) {
    throw ModelError(tensor.tensor + " has " + std::to_string(count) + " numbers, " + words(tensor.shape) +
                     " was expected");
  }
}

/// Copy an image or a map, {channels, …} as everywhere in a program, to how the runtime keeps it.
template <class Value, class Native>
void to_native(const Value* from, const TensorInfo& tensor, Native* to) {
  const std::size_t count = elements(tensor.shape);
  const std::size_t channels = tensor.channels_last ? static_cast<std::size_t>(tensor.shape.front()) : 1;
  const std::size_t plane = count / channels;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < plane; ++i) to[i * channels + c] = static_cast<Native>(from[c * plane + i]);
  }
}

/// The other way round: what the runtime computed, in the model's own order.
inline Tensor from_native(const float* from, const TensorInfo& tensor) {
  Tensor result{tensor.shape, std::vector<float>(elements(tensor.shape))};
  const std::size_t channels = tensor.channels_last ? static_cast<std::size_t>(tensor.shape.front()) : 1;
  const std::size_t plane = result.data.size() / channels;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < plane; ++i) result.data[c * plane + i] = from[i * channels + c];
  }
  return result;
}

}  // namespace edgepack::program
