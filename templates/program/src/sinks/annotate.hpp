// What was found, drawn into its picture.
#pragma once

#include <string>
#include <vector>

#include "decode.hpp"
#include "sink.hpp"

namespace edgepack::program {

/// The answer's picture in colour, with boxes, names, scores and numbers. show: fields of the record that are written
/// into the upper left corner. Throws std::invalid_argument where the answer has no picture.
Pixels annotated(const Answered& answer, const std::vector<std::string>& show);

}  // namespace edgepack::program
