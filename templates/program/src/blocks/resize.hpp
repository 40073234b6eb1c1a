// resize: {size: [height, width]}: bilinear, half-pixel centres, edges clamped, no antialiasing.
// The same as torch's interpolate(mode="bilinear", align_corners=False) and OpenCV's INTER_LINEAR on floats.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <vector>

#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// Where one output coordinate lies between two input ones.
struct Tap {
  std::size_t low, high;
  float weight;  // of `high`
};

inline std::vector<Tap> taps(int in, int out) {
  std::vector<Tap> result(static_cast<std::size_t>(out));
  const double scale = static_cast<double>(in) / out;
  for (int i = 0; i < out; ++i) {
    const double at = std::clamp((i + 0.5) * scale - 0.5, 0.0, in - 1.0);
    const auto low = static_cast<std::size_t>(at);
    result[static_cast<std::size_t>(i)] = {low, std::min<std::size_t>(low + 1, static_cast<std::size_t>(in) - 1),
                                           static_cast<float>(at - static_cast<double>(low))};
  }
  return result;
}

/// {C, H, W} → {C, height, width}. Throws std::invalid_argument for any other rank or an empty image.
inline Tensor resize(const Tensor& image, int height, int width) {
  if (image.shape.size() != 3 || image.data.empty()) {
    throw std::invalid_argument("resize takes an image {channels, height, width}");
  }
  const auto channels = static_cast<std::size_t>(image.shape[0]);
  const auto rows_in = static_cast<std::size_t>(image.shape[1]);
  const auto columns_in = static_cast<std::size_t>(image.shape[2]);
  const std::vector<Tap> rows = taps(image.shape[1], height);
  const std::vector<Tap> columns = taps(image.shape[2], width);
  Tensor result{{image.shape[0], height, width}, {}};
  result.data.reserve(channels * rows.size() * columns.size());
  for (std::size_t c = 0; c < channels; ++c) {
    const float* plane = image.data.data() + c * rows_in * columns_in;
    for (const Tap& row : rows) {
      const float* top = plane + row.low * columns_in;
      const float* bottom = plane + row.high * columns_in;
      for (const Tap& column : columns) {
        const float above = top[column.low] + (top[column.high] - top[column.low]) * column.weight;
        const float below = bottom[column.low] + (bottom[column.high] - bottom[column.low]) * column.weight;
        result.data.push_back(above + (below - above) * row.weight);
      }
    }
  }
  return result;
}

}  // namespace edgepack::blocks
