// A picture's pixels as a file.
#pragma once

#include <string>

#include "decode.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::program {

/// {1 or 3, H, W} floats 0..255 → pixels of 8 bits. Throws std::invalid_argument for another shape.
Pixels pixels_of(const Tensor& picture);

/// format: "pnm", "jpeg" or "png", as far as the program has them. Throws std::runtime_error.
std::string picture_file(const Pixels& pixels, const std::string& format);

/// With its dot.
std::string picture_ending(const Pixels& pixels, const std::string& format);

}  // namespace edgepack::program
