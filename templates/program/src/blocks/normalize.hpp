// normalize: {scale, mean, std}: (x * scale - mean) / std, with one number for all channels or one each.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// The parameters as the manifest has them; each list has one number, or one a channel.
struct Normalize {
  std::vector<double> scale, mean, std;
};

inline double per_channel(const std::vector<double>& values, std::size_t channel, const char* name, int channels) {
  if (values.size() == 1) return values[0];
  if (values.size() != static_cast<std::size_t>(channels)) {
    throw std::invalid_argument("normalize: " + std::string(name) + " has " + std::to_string(values.size()) +
                                " numbers, the image has " + std::to_string(channels) + " channels");
  }
  return values[channel];
}

/// {C, ...} → the same shape. Throws std::invalid_argument where the lists do not fit the channels.
inline Tensor normalize(Tensor image, const Normalize& by) {
  check_whole(image, "normalize");
  if (image.data.empty() || image.shape.empty()) throw std::invalid_argument("normalize takes an image");
  const int channels = image.shape[0];
  const std::size_t plane = image.data.size() / static_cast<std::size_t>(channels);
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
    const double scale = per_channel(by.scale, c, "scale", channels);
    const double mean = per_channel(by.mean, c, "mean", channels);
    const double std = per_channel(by.std, c, "std", channels);
    // One multiply-add a value; the two numbers are folded in double so that only one rounding is felt.
    const auto factor = static_cast<float>(scale / std);
    const auto offset = static_cast<float>(-mean / std);
    float* values = image.data.data() + c * plane;
    for (std::size_t i = 0; i < plane; ++i) values[i] = values[i] * factor + offset;
  }
  return image;
}

}  // namespace edgepack::blocks
