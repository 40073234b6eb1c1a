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

}  // namespace edgepack::program
