// Images: binary PGM (P5) and PPM (P6) of 8 bits a channel; JPEG and PNG where the program has them (decode.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "edgepack/edgepack.h"

namespace edgepack::program {

/// Pixels as they lie in a file (H, W, C interleaved) → {C, H, W} floats 0..255.
Tensor image_tensor(const std::uint8_t* pixels, std::size_t height, std::size_t width, std::size_t channels);

/// The image in a file's bytes, whose first ones tell the format; `name`: for errors. Of PGM and PPM the values as
/// they are: not stretched where maxval is below 255, because golden vectors hold such raw values too. Throws
/// ReadError.
Tensor decode_image(const std::vector<unsigned char>& bytes, const std::string& name);

/// The image of a file. Throws ReadError (Vanished where it is not there any more). `follow`: whether a link may
/// be followed.
Tensor read_image(const std::string& path, bool follow);

/// The moment that it is: `seconds` by a clock that nobody sets.
Moment now();

/// A picture's time where it is a file: when that was written last. Throws ReadError, Vanished.
Moment written_at(const std::string& path);

}  // namespace edgepack::program
