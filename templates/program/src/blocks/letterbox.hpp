// letterbox: {size: [height, width], fill, align, mode}: as large as fits, the sides kept in proportion; the
// rest is filled. The inner sides are rounded to the nearest pixel; in the middle, the odd one is below and right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "blocks/geometry.hpp"
#include "blocks/resize.hpp"
#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

enum class Align { center, corner };

struct Letterbox {
  int height, width;
  double fill;
  Align align;
  Mode mode;
};

/// `side` by the factor wanted / there, to the nearest whole pixel, at least 1.
inline int in_proportion(int side, int wanted, int there) {
  const std::int64_t whole = (2 * static_cast<std::int64_t>(side) * wanted + there) / (2 * static_cast<std::int64_t>(there));
  return static_cast<int>(std::max<std::int64_t>(whole, 1));
}

/// {C, H, W} → {C, height, width}. Throws std::invalid_argument for what is no image, and for sizes below 1
/// or beyond memory.
inline Tensor letterbox(const Tensor& image, const Letterbox& by, Geometry& geometry) {
  const Sides sides = image_sides(image, "letterbox");
  if (by.height < 1 || by.width < 1) {
    throw std::invalid_argument("letterbox: a size below 1, " + shown({by.height, by.width}));
  }
  Tensor result{{image.shape[0], by.height, by.width}, {}};
  const std::size_t count = elements(result.shape, "letterbox");
  const int rows = image.shape[1], columns = image.shape[2];
  const bool wide = static_cast<std::int64_t>(by.width) * rows <= static_cast<std::int64_t>(by.height) * columns;
  const int height = wide ? std::min(in_proportion(rows, by.width, columns), by.height) : by.height;
  const int width = wide ? by.width : std::min(in_proportion(columns, by.height, rows), by.width);
  const Tensor inner = resize(image, height, width, by.mode, geometry);
  const int top = by.align == Align::center ? (by.height - height) / 2 : 0;
  const int left = by.align == Align::center ? (by.width - width) / 2 : 0;
  geometry.move(top, left, by.height, by.width);
  result.data.assign(count, static_cast<float>(by.fill));
  const float* from = inner.data.data();
  for (std::size_t c = 0; c < sides.channels; ++c) {
    for (int y = 0; y < height; ++y, from += width) {
      const std::size_t row = c * static_cast<std::size_t>(by.height) + static_cast<std::size_t>(top + y);
      std::copy(from, from + width, result.data.data() + row * static_cast<std::size_t>(by.width) + left);
    }
  }
  return result;
}

}  // namespace edgepack::blocks
