// softmax: {output}: exp(x - max) / sum along the last axis of one of the model's outputs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// The same shape. A NaN makes its whole row NaN. Throws std::invalid_argument for an empty output.
inline Tensor softmax(Tensor tensor) {
  const std::size_t length = last_axis(tensor, "softmax");
  for (std::size_t start = 0; start < tensor.data.size(); start += length) {
    float* row = tensor.data.data() + start;
    float highest = -std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < length; ++i) highest = std::max(highest, row[i]);
    double sum = 0;
    for (std::size_t i = 0; i < length; ++i) {
      row[i] = std::exp(row[i] - highest);
      sum += static_cast<double>(row[i]);
    }
    for (std::size_t i = 0; i < length; ++i) row[i] = static_cast<float>(static_cast<double>(row[i]) / sum);
  }
  return tensor;
}

}  // namespace edgepack::blocks
