// crop: {size: [height, width], at: [top, left]}: a part of the image; without `at` the middle of it, where the
// odd pixel is below and right.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "blocks/geometry.hpp"
#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// top, left: -1 for the middle.
struct Crop {
  int height, width, top, left;
};

/// {C, H, W} → {C, height, width}. Throws std::invalid_argument where the image does not hold that part.
inline Tensor crop(const Tensor& image, const Crop& by, Geometry& geometry) {
  const Sides sides = image_sides(image, "crop");
  const int rows = image.shape[1], columns = image.shape[2];
  // Sizes first: the middle of what is too large would be beyond an int.
  const bool small = by.height >= 1 && by.width >= 1 && by.height <= rows && by.width <= columns;
  const int top = small && by.top < 0 ? (rows - by.height) / 2 : by.top;
  const int left = small && by.left < 0 ? (columns - by.width) / 2 : by.left;
  if (!small || top > rows - by.height || left > columns - by.width) {
    throw std::invalid_argument("crop: " + shown({by.height, by.width}) +
                                (by.top < 0 ? std::string() : " at " + shown({by.top, by.left})) +
                                " is not inside of an image of " + shown({rows, columns}));
  }
  Tensor result{{image.shape[0], by.height, by.width}, {}};
  result.data.reserve(elements(result.shape, "crop"));
  for (std::size_t c = 0; c < sides.channels; ++c) {
    for (int y = 0; y < by.height; ++y) {
      const std::size_t row = c * sides.rows + static_cast<std::size_t>(top + y);
      const float* from = image.data.data() + row * sides.columns + left;
      result.data.insert(result.data.end(), from, from + by.width);
    }
  }
  geometry.move(-top, -left, by.height, by.width);
  return result;
}

}  // namespace edgepack::blocks
