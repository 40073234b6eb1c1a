// pick: {by: score | area}: one of what was found, as fields of its own; of two alike the earlier one.
#pragma once

#include <cstdint>
#include <string>

#include "edgepack/edgepack.h"

namespace edgepack::blocks {

enum class Pick { score, area };

/// Sets class, name, score, left, top, right, bottom; for none class -1, `nothing` and zeros.
inline void pick(Pick by, Record& record) {
  Detection chosen;
  chosen.kind = -1;
  chosen.name = "nothing";
  float most = -1;
  for (const Detection& one : record.detections()) {
    const float size = by == Pick::area ? one.area() : one.score;
    if (!(size > most)) continue;
    most = size;
    chosen = one;
  }
  record.set("class", chosen.kind);
  record.set("name", chosen.name);
  record.set("score", chosen.score);
  record.set("left", chosen.x0);
  record.set("top", chosen.y0);
  record.set("right", chosen.x1);
  record.set("bottom", chosen.y1);
}

}  // namespace edgepack::blocks
