// Pictures as cameras give them, Y'CbCr, into red, green and blue of 0..255: BT.601 or BT.709, limited or full range.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "edgepack/edgepack.h"

namespace edgepack::program {

/// As whole numbers of 2^-20, so that every processor gives the same picture: no result is further than 0.5005 from
/// the exact one. Kr and Kb: of ITU-R BT.601 and BT.709.
class Colours {
 public:
  enum class Standard { bt601, bt709 };

  Colours(Standard standard, bool full_range) {
    const double red = standard == Standard::bt601 ? 0.299 : 0.2126, blue = standard == Standard::bt601 ? 0.114 : 0.0722;
    const double green = 1 - red - blue;
    const double luma = full_range ? 1 : 255.0 / 219, chroma = full_range ? 1 : 255.0 / 224;
    black_ = full_range ? 0 : 16;
    y_ = whole(luma);
    red_cr_ = whole(2 * (1 - red) * chroma);
    blue_cb_ = whole(2 * (1 - blue) * chroma);
    green_cb_ = whole(-2 * (1 - blue) * blue / green * chroma);
    green_cr_ = whole(-2 * (1 - red) * red / green * chroma);
  }

  /// One pixel, into three planes of `plane` numbers each, at `to`.
  void put(int y, int cb, int cr, float* to, std::size_t plane) const {
    const std::int32_t light = y_ * (y - black_);
    to[0] = value(light + red_cr_ * (cr - 128));
    to[plane] = value(light + green_cb_ * (cb - 128) + green_cr_ * (cr - 128));
    to[2 * plane] = value(light + blue_cb_ * (cb - 128));
  }

 private:
  static constexpr int bits = 20;

  static std::int32_t whole(double value) { return static_cast<std::int32_t>(value * (1 << bits) + (value < 0 ? -0.5 : 0.5)); }
  static float value(std::int32_t sum) { return static_cast<float>(std::clamp((sum + (1 << (bits - 1))) >> bits, 0, 255)); }

  std::int32_t black_, y_, red_cr_, blue_cb_, green_cb_, green_cr_;
};

/// Where a picture lies in a buffer. stride: bytes from one row to the next.
struct Layout {
  std::size_t height, width, stride;
};

/// YUYV, 4:2:2: two pixels side by side share their colour. The width is even.
inline Tensor from_yuyv(const unsigned char* bytes, const Layout& layout, const Colours& colours) {
  const std::size_t plane = layout.height * layout.width;
  Tensor image{{3, static_cast<int>(layout.height), static_cast<int>(layout.width)}, std::vector<float>(plane * 3)};
  float* to = image.data.data();
  for (std::size_t row = 0; row < layout.height; ++row) {
    const unsigned char* from = bytes + row * layout.stride;
    for (std::size_t x = 0; x < layout.width; x += 2, from += 4, to += 2) {
      colours.put(from[0], from[1], from[3], to, plane);
      colours.put(from[2], from[1], from[3], to + 1, plane);
    }
  }
  return image;
}

/// NV12, 4:2:0: two by two pixels share their colour, which lies behind all of their light. Both sides are even.
inline Tensor from_nv12(const unsigned char* bytes, const Layout& layout, const Colours& colours) {
  const std::size_t plane = layout.height * layout.width;
  Tensor image{{3, static_cast<int>(layout.height), static_cast<int>(layout.width)}, std::vector<float>(plane * 3)};
  float* to = image.data.data();
  for (std::size_t row = 0; row < layout.height; ++row) {
    const unsigned char* light = bytes + row * layout.stride;
    const unsigned char* colour = bytes + (layout.height + row / 2) * layout.stride;
    for (std::size_t x = 0; x < layout.width; ++x, ++to) colours.put(light[x], colour[x & ~std::size_t{1}], colour[x | 1], to, plane);
  }
  return image;
}

/// Light alone, as it is.
inline Tensor from_gray(const unsigned char* bytes, const Layout& layout) {
  Tensor image{{1, static_cast<int>(layout.height), static_cast<int>(layout.width)}, {}};
  image.data.reserve(layout.height * layout.width);
  for (std::size_t row = 0; row < layout.height; ++row) {
    const unsigned char* from = bytes + row * layout.stride;
    image.data.insert(image.data.end(), from, from + layout.width);
  }
  return image;
}

}  // namespace edgepack::program
