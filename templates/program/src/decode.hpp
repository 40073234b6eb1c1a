// Compressed images out of memory. Each format is a file of its own, in the program where edgepack.yaml has it
// in `source.formats`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace edgepack::program {

/// Pixels as they lie in a file: height x width x channels bytes, channels 1 (gray) or 3 (red, green, blue).
struct Pixels {
  std::size_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> bytes;
};

/// Throws ReadError for an image of more pixels than this program reads: memory is asked for after this alone.
void check_pixels(const std::string& name, std::size_t width, std::size_t height);

/// Gray or colour, baseline or progressive, by the integer transform and smooth upsampling, as libjpeg does unless
/// told otherwise. The orientation that a camera noted (EXIF) is not applied. Throws ReadError, also
/// for an image that is damaged or cut off. name: for the error.
Pixels decode_jpeg(const std::vector<unsigned char>& file, const std::string& name);

/// 8 bits a channel; of 16 the upper eight, fewer are stretched to 0..255, a palette becomes its colours,
/// transparency is dropped. Throws ReadError.
Pixels decode_png(const std::vector<unsigned char>& file, const std::string& name);

}  // namespace edgepack::program
