// layout: {order: nchw | nhwc}: how the model's input lies in memory; nchw is how it comes.
#pragma once

#include <cstddef>
#include <utility>

#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

enum class Layout { nchw, nhwc };

/// {C, H, W} → the same, or {H, W, C}. Throws std::invalid_argument for what is no image.
inline Tensor layout(Tensor image, Layout order) {
  const Sides sides = image_sides(image, "layout");
  if (order == Layout::nchw) return image;
  Tensor result{{image.shape[1], image.shape[2], image.shape[0]}, {}};
  result.data.reserve(image.data.size());
  const std::size_t plane = sides.rows * sides.columns;
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < sides.channels; ++c) result.data.push_back(image.data[c * plane + i]);
  }
  return result;
}

}  // namespace edgepack::blocks
