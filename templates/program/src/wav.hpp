// WAV files: RIFF with PCM of 8, 16, 24 or 32 bits, or floats of 32 (Microsoft and IBM, Multimedia Programming
// Interface and Data Specifications 1.0, 1991; WAVEFORMATEXTENSIBLE).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "edgepack/edgepack.h"
#include "file.hpp"

#ifndef EDGEPACK_SAMPLE_RATE  // that of `logmel` in edgepack.yaml; 0: any
#define EDGEPACK_SAMPLE_RATE 0
#endif

namespace edgepack::program {

/// Sound as it lies in a file of that name, for its errors.
class Wav {
 public:
  Wav(const std::vector<unsigned char>& bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  static bool is_one(const std::vector<unsigned char>& bytes) {
    return bytes.size() >= 12 && std::memcmp(bytes.data(), "RIFF", 4) == 0 && std::memcmp(bytes.data() + 8, "WAVE", 4) == 0;
  }

  /// {channels, samples}, -1 to 1: integers by 2^(bits - 1). Throws ReadError.
  Tensor read() {
    for (std::size_t at = 12; bytes_.size() - at >= 8;) {
      const std::size_t size = number(at + 4, 4), begin = at + 8;
      if (bytes_.size() - begin < size) fail("cut off: a part of " + std::to_string(size) + " bytes ends beyond the file");
      if (std::memcmp(bytes_.data() + at, "fmt ", 4) == 0) describe(begin, size);
      if (std::memcmp(bytes_.data() + at, "data", 4) == 0) return samples(begin, size);
      // Parts begin at even places; the file may end without the last one's filling byte.
      if (bytes_.size() - begin - size < (size & 1U)) break;
      at = begin + size + (size & 1U);
    }
    fail("no samples in it");
  }

 private:
  [[noreturn]] void fail(const std::string& words) const { throw ReadError(name_ + ": a WAV file, " + words); }

  std::uint32_t number(std::size_t at, std::size_t width) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value |= static_cast<std::uint32_t>(bytes_[at + i]) << (8 * i);
    return value;
  }

  void describe(std::size_t at, std::size_t size) {
    if (size < 16) fail("whose description is cut off");
    std::uint32_t kind = number(at, 2);
    channels_ = number(at + 2, 2);
    const std::uint32_t rate = number(at + 4, 4);
    bits_ = number(at + 14, 2);
    if (kind == 0xFFFE && size >= 26) kind = number(at + 24, 2);
    floats_ = kind == 3;
    const bool integers = kind == 1 && (bits_ == 8 || bits_ == 16 || bits_ == 24 || bits_ == 32);
    if (!integers && !(floats_ && bits_ == 32)) {
      fail("of kind " + std::to_string(kind) + " with " + std::to_string(bits_) + " bits: PCM of 8 to 32 bits or floats of 32 are read");
    }
    if (channels_ < 1 || channels_ > 64 || number(at + 12, 2) != channels_ * bits_ / 8) fail("whose description contradicts itself");
    const std::uint32_t wanted = EDGEPACK_SAMPLE_RATE;
    if (wanted != 0 && rate != wanted) {
      fail("with " + std::to_string(rate) + " samples a second: the model takes " + std::to_string(wanted));
    }
  }

  Tensor samples(std::size_t at, std::size_t size) const {
    if (channels_ == 0) fail("whose samples come before their description");
    const std::size_t width = bits_ / 8, count = size / width / channels_;
    if (count == 0 || count > 1U << 30U) fail("with " + std::to_string(count) + " samples");
    Tensor sound{{static_cast<int>(channels_), static_cast<int>(count)}, std::vector<float>(channels_ * count)};
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t c = 0; c < channels_; ++c) {
        sound.data[c * count + i] = sample(number(at + (i * channels_ + c) * width, width));
      }
    }
    return sound;
  }

  float sample(std::uint32_t raw) const {
    if (floats_) {
      float value = 0;
      std::memcpy(&value, &raw, sizeof value);
      return value;
    }
    if (bits_ == 8) return (static_cast<float>(raw) - 128) / 128;  // alone without a sign
    const double range = static_cast<double>(std::uint64_t{1} << bits_), value = static_cast<double>(raw);
    return static_cast<float>((value >= range / 2 ? value - range : value) / (range / 2));
  }

  const std::vector<unsigned char>& bytes_;
  const std::string& name_;
  std::uint32_t channels_ = 0, bits_ = 0;
  bool floats_ = false;
};

}  // namespace edgepack::program
