// sigmoid: {output}: 1 / (1 + exp(-x)) of each number of one of the model's outputs.
#pragma once

#include <cmath>

#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// For large negative x the exponential is infinite, and the quotient 0 as it should be.
inline double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// The same shape. Throws std::invalid_argument for a tensor that is not whole.
inline Tensor sigmoid(Tensor tensor) {
  check_whole(tensor, "sigmoid");
  for (float& value : tensor.data) value = static_cast<float>(logistic(static_cast<double>(value)));
  return tensor;
}

}  // namespace edgepack::blocks
