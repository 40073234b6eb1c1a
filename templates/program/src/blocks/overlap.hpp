// How much two boxes overlap: intersection over union, and what is left out for it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// A box that may become a detection, in whatever pixels.
struct Box {
  int kind;
  double score, x0, y0, x1, y1;
};

inline Box box_of(const Detection& one) {
  return {one.kind,
          static_cast<double>(one.score),
          static_cast<double>(one.x0),
          static_cast<double>(one.y0),
          static_cast<double>(one.x1),
          static_cast<double>(one.y1)};
}

/// 0..1; 0 where they only touch, and where a side is not positive.
inline double overlap(const Box& a, const Box& b) {
  const double width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  const double height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (!(width > 0) || !(height > 0)) return 0;
  const double both = width * height;
  const double area_a = (a.x1 - a.x0) * (a.y1 - a.y0), area_b = (b.x1 - b.x0) * (b.y1 - b.y0);
  return both / (area_a + area_b - both);
}

/// Non-maximum suppression: the best first (of two alike the earlier one), at most `most`; what overlaps a
/// better one by more than `limit` is left out, of the same class or, without `per_class`, of any.
inline std::vector<Box> suppressed(std::vector<Box> found, double limit, bool per_class, std::size_t most) {
  std::stable_sort(found.begin(), found.end(), [](const Box& a, const Box& b) { return a.score > b.score; });
  std::vector<Box> kept;
  for (const Box& box : found) {
    if (kept.size() >= most) break;
    const bool again = std::any_of(kept.begin(), kept.end(), [&](const Box& better) {
      return (!per_class || better.kind == box.kind) && overlap(box, better) > limit;
    });
    if (!again) kept.push_back(box);
  }
  return kept;
}

}  // namespace edgepack::blocks
