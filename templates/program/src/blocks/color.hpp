// color: {order: rgb | bgr | gray}: from a picture as it comes, red, green, blue or gray alone.
// Gray is 0.299 red + 0.587 green + 0.114 blue: ITU-R Recommendation BT.601, as OpenCV and Pillow have it.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <utility>

#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

enum class Color { rgb, bgr, gray };

/// {1 or 3, H, W} → {3, H, W}, or {1, H, W} for gray. Throws std::invalid_argument for other channels.
inline Tensor color(Tensor image, Color order) {
  const Sides sides = image_sides(image, "color");
  if (sides.channels != 1 && sides.channels != 3) {
    throw std::invalid_argument("color takes 1 or 3 channels, not " + shown(image.shape));
  }
  const std::size_t plane = sides.rows * sides.columns;
  std::vector<float>& data = image.data;
  if (sides.channels == 1) {
    if (order == Color::gray) return image;
    elements({3, image.shape[1], image.shape[2]}, "color");
    data.resize(3 * plane);
    for (std::size_t i = 0; i < plane; ++i) data[plane + i] = data[2 * plane + i] = data[i];
    image.shape[0] = 3;
  } else if (order == Color::gray) {
    for (std::size_t i = 0; i < plane; ++i) {
      data[i] = 0.299F * data[i] + 0.587F * data[plane + i] + 0.114F * data[2 * plane + i];
    }
    data.resize(plane);
    image.shape[0] = 1;
  } else if (order == Color::bgr) {
    for (std::size_t i = 0; i < plane; ++i) std::swap(data[i], data[2 * plane + i]);
  }
  return image;
}

}  // namespace edgepack::blocks
