// zone: {name, polygon, unit, anchor, classes}: which boxes are in a part of the picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "blocks/rules.hpp"

namespace edgepack::blocks {

struct Zone {
  std::string name;
  std::vector<Point> polygon;  // its corners in turn
  Unit unit;
  Anchor anchor;
  std::vector<std::string> classes;  // none: all
};

/// Even-odd: how often a ray to the right crosses the sides. A point on a left or upper side is inside, on a
/// right or lower one it is not, so that of two zones side by side one has it.
inline bool contains(const std::vector<Point>& polygon, Point size, Point point) {
  bool inside = false;
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const Point& from = polygon[i == 0 ? polygon.size() - 1 : i - 1];
    const Point a{from.x * size.x, from.y * size.y}, b{polygon[i].x * size.x, polygon[i].y * size.y};
    if ((a.y > point.y) == (b.y > point.y)) continue;
    const double side = side_of(a, b, point);
    if (b.y > a.y ? side > 0 : side < 0) inside = !inside;
  }
  return inside;
}

/// Sets `name`: beside `boxes`, 1 for each that is inside and meant, else 0.
inline void zone(const Zone& by, const Geometry& where, Record& record) {
  const Point size = unit_size(by.unit, where, by.name);
  std::vector<std::int64_t> inside;
  for (const Detection& one : record.detections()) {
    inside.push_back(is_meant(by.classes, one) && contains(by.polygon, size, anchor_of(one, by.anchor)) ? 1 : 0);
  }
  record.set(by.name, inside);
}

}  // namespace edgepack::blocks
