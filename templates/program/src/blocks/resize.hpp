// resize: {size: [height, width], mode}: both sides stretched, each on its own.
//   bilinear     half-pixel centres, edges clamped: torch's interpolate(mode="bilinear", align_corners=False),
//                OpenCV's INTER_LINEAR on floats
//   nearest      the pixel at floor(i · in / out): torch's "nearest", OpenCV's INTER_NEAREST
//   area         the mean of what an output pixel covers: OpenCV's INTER_AREA where it shrinks
//   antialiased  a triangle as wide as the pixels that fall together: Pillow's BILINEAR, torch's antialias=True
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "blocks/geometry.hpp"
#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

enum class Mode { bilinear, nearest, area, antialiased };

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

/// The input pixels that make one output pixel: `first` and those after it, each with its weight.
struct Span {
  std::size_t first;
  std::vector<float> weights;
};

inline Span nearest_span(std::int64_t i, int in, int out) { return {static_cast<std::size_t>(i * in / out), {1.0F}}; }

inline Span area_span(std::int64_t i, int in, int out) {
  // In units of 1/out of an input pixel everything is whole.
  const std::int64_t from = i * in, to = from + in;
  Span span{static_cast<std::size_t>(from / out), {}};
  for (std::int64_t pixel = from / out; pixel * out < to; ++pixel) {
    const std::int64_t covered = std::min(to, (pixel + 1) * out) - std::max(from, pixel * out);
    span.weights.push_back(static_cast<float>(static_cast<double>(covered) / in));
  }
  return span;
}

inline Span antialiased_span(std::int64_t i, int in, int out) {
  const double scale = static_cast<double>(in) / out, reach = std::max(scale, 1.0);
  const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
  const double first = std::clamp(std::ceil(centre - reach), 0.0, in - 1.0);
  const double last = std::clamp(std::floor(centre + reach), first, in - 1.0);
  std::vector<double> weights;
  double sum = 0;
  for (double pixel = first; pixel <= last; ++pixel) {
    weights.push_back(std::max(1 - std::abs(pixel - centre) / reach, 0.0));
    sum += weights.back();
  }
  Span span{static_cast<std::size_t>(first), {}};
  for (const double weight : weights) span.weights.push_back(static_cast<float>(weight / sum));
  return span;
}

inline std::vector<Span> spans(int in, int out, Mode mode) {
  std::vector<Span> result;
  result.reserve(static_cast<std::size_t>(out));
  for (int i = 0; i < out; ++i) {
    result.push_back(mode == Mode::nearest ? nearest_span(i, in, out)
                     : mode == Mode::area  ? area_span(i, in, out)
                                           : antialiased_span(i, in, out));
  }
  return result;
}

/// One plane, bilinear; appended to `to`.
inline void between(const float* plane, std::size_t width, const std::vector<Tap>& rows,
                    const std::vector<Tap>& columns, std::vector<float>& to) {
  for (const Tap& row : rows) {
    const float* top = plane + row.low * width;
    const float* bottom = plane + row.high * width;
    for (const Tap& column : columns) {
      const float above = top[column.low] + (top[column.high] - top[column.low]) * column.weight;
      const float below = bottom[column.low] + (bottom[column.high] - bottom[column.low]) * column.weight;
      to.push_back(above + (below - above) * row.weight);
    }
  }
}

/// One plane, by weights: each row is made shorter first, then the columns; appended to `to`.
inline void weighted(const float* plane, const Sides& sides, const std::vector<Span>& rows,
                     const std::vector<Span>& columns, std::vector<float>& to) {
  std::vector<float> narrow(sides.rows * columns.size());
  for (std::size_t y = 0; y < sides.rows; ++y) {
    for (std::size_t x = 0; x < columns.size(); ++x) {
      const float* from = plane + y * sides.columns + columns[x].first;
      float sum = 0;
      for (std::size_t i = 0; i < columns[x].weights.size(); ++i) sum += from[i] * columns[x].weights[i];
      narrow[y * columns.size() + x] = sum;
    }
  }
  for (const Span& row : rows) {
    for (std::size_t x = 0; x < columns.size(); ++x) {
      const float* from = narrow.data() + row.first * columns.size() + x;
      float sum = 0;
      for (std::size_t i = 0; i < row.weights.size(); ++i) sum += from[i * columns.size()] * row.weights[i];
      to.push_back(sum);
    }
  }
}

/// {C, H, W} → {C, height, width}. Throws std::invalid_argument for what is no image, and for sizes below 1
/// or beyond memory.
inline Tensor stretched(const Tensor& image, int height, int width, Mode mode) {
  const Sides sides = image_sides(image, "resize");
  Tensor result{{image.shape[0], height, width}, {}};
  if (height < 1 || width < 1) throw std::invalid_argument("resize: a size below 1, " + shown({height, width}));
  result.data.reserve(elements(result.shape, "resize"));
  elements({image.shape[1], width}, "resize");
  const bool linear = mode == Mode::bilinear;
  const std::vector<Tap> row_taps = linear ? taps(image.shape[1], height) : std::vector<Tap>();
  const std::vector<Tap> column_taps = linear ? taps(image.shape[2], width) : std::vector<Tap>();
  const std::vector<Span> rows = linear ? std::vector<Span>() : spans(image.shape[1], height, mode);
  const std::vector<Span> columns = linear ? std::vector<Span>() : spans(image.shape[2], width, mode);
  for (std::size_t c = 0; c < sides.channels; ++c) {
    const float* plane = image.data.data() + c * sides.rows * sides.columns;
    if (linear) {
      between(plane, sides.columns, row_taps, column_taps, result.data);
    } else {
      weighted(plane, sides, rows, columns, result.data);
    }
  }
  return result;
}

/// The same as a step of `pre`.
inline Tensor resize(const Tensor& image, int height, int width, Mode mode, Geometry& geometry) {
  Tensor result = stretched(image, height, width, mode);
  geometry.stretch(height, width);
  return result;
}

}  // namespace edgepack::blocks
