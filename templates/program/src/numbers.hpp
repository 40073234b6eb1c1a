// Numbers as accelerators keep them: half precision, and 8 bits by a scale and a zero point.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace edgepack::program {

/// IEEE 754 binary16 of a float, rounded to the nearest, halves to even.
inline std::uint16_t to_half(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);   // NaN
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65520 and more: infinity
  if (magnitude < 0x38800000u) {                                                    // below 2^-14: in steps of 2^-24
    float positive = 0;
    std::memcpy(&positive, &magnitude, sizeof positive);
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::nearbyint(positive * 16777216.0f)));
  }
  const std::uint32_t odd = magnitude >> 13 & 1u;
  return static_cast<std::uint16_t>(sign | ((magnitude + 0xfffu + odd - 0x38000000u) >> 13));
}

inline float from_half(std::uint16_t half) {
  const int exponent = half >> 10 & 0x1f;
  const int mantissa = half & 0x3ff;
  float value = 0;
  if (exponent == 0x1f) {
    value = mantissa != 0 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(mantissa), -24);
  } else {
    value = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

/// bfloat16, the upper half of a float, rounded to the nearest, halves to even.
inline std::uint16_t to_bfloat(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);  // NaN
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

inline float from_bfloat(std::uint16_t kept) {
  const std::uint32_t bits = static_cast<std::uint32_t>(kept) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// value / step + zero, rounded to the nearest integer that Whole has; NaN is the least.
template <class Whole>
Whole quantised(float value, float step, int zero) {
  constexpr Whole least = std::numeric_limits<Whole>::lowest(), most = std::numeric_limits<Whole>::max();
  const double exact = std::nearbyint(static_cast<double>(value) / static_cast<double>(step)) + zero;
  if (!(exact > static_cast<double>(least))) return least;
  return exact < static_cast<double>(most) ? static_cast<Whole>(exact) : most;
}

/// How an accelerator keeps a number.
enum class Kind { float32, float16, bfloat16, int8, uint8, int16, uint16, int32, int64 };

inline std::size_t width(Kind kind) {
  switch (kind) {
    case Kind::int8:
    case Kind::uint8: return 1;
    case Kind::float16:
    case Kind::bfloat16:
    case Kind::int16:
    case Kind::uint16: return 2;
    case Kind::float32:
    case Kind::int32: return 4;
    case Kind::int64: return 8;
  }
  return 0;
}

/// Real = (kept - zero) * step. Floats are kept as they are.
struct Scale {
  float step = 1;
  int zero = 0;
};

template <class Whole>
void encode_whole(const float* from, std::size_t count, Scale scale, unsigned char* to) {
  for (std::size_t i = 0; i < count; ++i) {
    const Whole kept = quantised<Whole>(from[i], scale.step, scale.zero);
    std::memcpy(to + i * sizeof kept, &kept, sizeof kept);
  }
}

template <class Whole>
void decode_whole(const unsigned char* from, std::size_t count, Scale scale, float* to) {
  for (std::size_t i = 0; i < count; ++i) {
    Whole kept = 0;
    std::memcpy(&kept, from + i * sizeof kept, sizeof kept);
    to[i] = static_cast<float>((static_cast<double>(kept) - scale.zero) * static_cast<double>(scale.step));
  }
}

/// Floats as the accelerator keeps them: count * width(kind) bytes, of any alignment.
inline void encode(const float* from, std::size_t count, Kind kind, Scale scale, unsigned char* to) {
  switch (kind) {
    case Kind::float32: std::memcpy(to, from, count * sizeof(float)); return;
    case Kind::float16:
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint16_t half = to_half(from[i]);
        std::memcpy(to + i * sizeof half, &half, sizeof half);
      }
      return;
    case Kind::bfloat16:
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint16_t kept = to_bfloat(from[i]);
        std::memcpy(to + i * sizeof kept, &kept, sizeof kept);
      }
      return;
    case Kind::int8: return encode_whole<std::int8_t>(from, count, scale, to);
    case Kind::uint8: return encode_whole<std::uint8_t>(from, count, scale, to);
    case Kind::int16: return encode_whole<std::int16_t>(from, count, scale, to);
    case Kind::uint16: return encode_whole<std::uint16_t>(from, count, scale, to);
    case Kind::int32: return encode_whole<std::int32_t>(from, count, scale, to);
    case Kind::int64: return encode_whole<std::int64_t>(from, count, scale, to);
  }
}

inline void decode(const unsigned char* from, std::size_t count, Kind kind, Scale scale, float* to) {
  switch (kind) {
    case Kind::float32: std::memcpy(to, from, count * sizeof(float)); return;
    case Kind::float16:
      for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t half = 0;
        std::memcpy(&half, from + i * sizeof half, sizeof half);
        to[i] = from_half(half);
      }
      return;
    case Kind::bfloat16:
      for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t kept = 0;
        std::memcpy(&kept, from + i * sizeof kept, sizeof kept);
        to[i] = from_bfloat(kept);
      }
      return;
    case Kind::int8: return decode_whole<std::int8_t>(from, count, scale, to);
    case Kind::uint8: return decode_whole<std::uint8_t>(from, count, scale, to);
    case Kind::int16: return decode_whole<std::int16_t>(from, count, scale, to);
    case Kind::uint16: return decode_whole<std::uint16_t>(from, count, scale, to);
    case Kind::int32: return decode_whole<std::int32_t>(from, count, scale, to);
    case Kind::int64: return decode_whole<std::int64_t>(from, count, scale, to);
  }
}

}  // namespace edgepack::program
