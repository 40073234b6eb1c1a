// For sources that know where what they give lies in a picture that another node saw.
#pragma once

#include "blocks/geometry.hpp"
#include "edgepack/source.h"

namespace edgepack::program {

class Placing {
 public:
  virtual ~Placing() = default;

  /// Of one of its own pictures; from another thread than `next`.
  virtual blocks::Geometry place(const Picture& picture) const = 0;
};

}  // namespace edgepack::program
