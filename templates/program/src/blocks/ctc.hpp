// ctc: {alphabet, blank, output}: what a sequence model reads, decoded greedily: the best class of each step,
// repeats once, blanks not at all. `text`, and `score`: the mean of the characters' values where each begins.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

struct Ctc {
  std::vector<std::string> alphabet;  // UTF-8, one character each, in the order of the classes without the blank
  std::size_t blank;
};

/// {steps, classes}, {steps, 1, classes} or {1, steps, classes}. A step of NaN alone is a blank. Throws
/// std::invalid_argument for other shapes, and where the classes are not the alphabet's and the blank.
inline void ctc(const Tensor& output, const Ctc& by, Record& record) {
  check_whole(output, "ctc");
  std::vector<std::size_t> sides(output.shape.begin(), output.shape.end());
  if (sides.size() == 3 && (sides[1] == 1 || sides[0] == 1)) sides.erase(sides.begin() + (sides[1] == 1 ? 1 : 0));
  if (sides.size() != 2 || sides[1] != by.alphabet.size() + 1 || by.blank > by.alphabet.size()) {
    throw std::invalid_argument("ctc: an output " + shown(output.shape) + " for " +
                                std::to_string(by.alphabet.size()) + " characters and a blank");
  }
  std::string text;
  double sum = 0;
  std::size_t characters = 0, before = by.blank;
  for (std::size_t step = 0; step < sides[0]; ++step) {
    const float* values = output.data.data() + step * sides[1];
    std::size_t best = by.blank;
    float highest = -std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < sides[1]; ++i) {
      if (values[i] > highest) {
        best = i;
        highest = values[i];
      }
    }
    if (best != by.blank && best != before) {
      text += by.alphabet[best < by.blank ? best : best - 1];
      sum += static_cast<double>(highest);
      ++characters;
    }
    before = best;
  }
  record.set("text", text);
  record.set("score", static_cast<float>(characters == 0 ? 0 : sum / static_cast<double>(characters)));
}

}  // namespace edgepack::blocks
