// What every block asks of a tensor before it touches its numbers.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// More are refused before memory is asked for: 4 GiB of floats, more than a box has for one picture.
constexpr std::size_t most_numbers = std::size_t{1} << 30U;

/// "{3, 28, 28}"
inline std::string shown(const std::vector<int>& shape) {
  std::string text = "{";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "}";
}

/// The product of the axes. Throws std::invalid_argument for an axis below 0 and for more than `most_numbers`.
inline std::size_t elements(const std::vector<int>& shape, const char* block) {
  std::size_t count = 1;
  for (const int axis : shape) {
    if (axis < 0 || (axis > 0 && count > most_numbers / static_cast<std::size_t>(axis))) {
      throw std::invalid_argument(std::string(block) + ": " + shown(shape) + " is no shape of a tensor here");
    }
    count *= static_cast<std::size_t>(axis);
  }
  return count;
}

/// Throws std::invalid_argument where the numbers are not as many as the shape says.
inline void check_whole(const Tensor& tensor, const char* block) {
  if (elements(tensor.shape, block) != tensor.data.size()) {
    throw std::invalid_argument(std::string(block) + ": a tensor " + shown(tensor.shape) + " with " +
                                std::to_string(tensor.data.size()) + " numbers");
  }
}

/// The axes of an image.
struct Sides {
  std::size_t channels, rows, columns;
};

/// Throws std::invalid_argument for what is not {channels, height, width}, or is empty.
inline Sides image_sides(const Tensor& image, const char* block) {
  check_whole(image, block);
  if (image.shape.size() != 3 || image.data.empty()) {
    throw std::invalid_argument(std::string(block) + " takes an image {channels, height, width}, not " +
                                shown(image.shape));
  }
  return {static_cast<std::size_t>(image.shape[0]), static_cast<std::size_t>(image.shape[1]),
          static_cast<std::size_t>(image.shape[2])};
}

/// The length of the last axis. Throws std::invalid_argument for a tensor without axes or without numbers.
inline std::size_t last_axis(const Tensor& tensor, const char* block) {
  check_whole(tensor, block);
  if (tensor.shape.empty() || tensor.data.empty()) {
    throw std::invalid_argument(std::string(block) + ": an output without numbers");
  }
  return static_cast<std::size_t>(tensor.shape.back());
}

}  // namespace edgepack::blocks
