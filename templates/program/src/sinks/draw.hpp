// Boxes and words in a picture.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "decode.hpp"

namespace edgepack::program {

using Colour = std::array<std::uint8_t, 3>;

/// A gray picture as a coloured one, so that what is drawn shows.
Pixels coloured(Pixels picture);

/// The colour of a class: neighbours differ.
Colour colour_of(int kind);

/// From edge to edge, in pixels, clipped to the picture. thick: of its lines, inwards.
void draw_box(Pixels& picture, double x0, double y0, double x1, double y1, int thick, const Colour& colour);

/// White on `ground`, its upper left corner there, moved so that it is inside the picture where it can be. size: of one dot of
/// a letter, of which there are 5 x 7. Letters are capitals of ASCII; what else there is becomes an empty frame.
void draw_words(Pixels& picture, double x, double y, const std::string& words, int size, const Colour& ground);

}  // namespace edgepack::program
