// line: {name, points, margin, unit, anchor, classes}: who crosses a line, and to which side.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "blocks/rules.hpp"

namespace edgepack::blocks {

/// A line from one point to another. A thing is surely on a side where it is farther than `margin` from the
/// endless line; it has crossed when it is surely on the other one, and the straight way from where it was
/// surely before goes between the two points.
class Line {
 public:
  struct By {
    std::string name;
    std::vector<Point> points;  // two
    double margin;              // in the unit; of a fraction: of the picture's height
    Unit unit;
    Anchor anchor;
    std::vector<std::string> classes;  // none: all
  };

  explicit Line(By by) : by_(std::move(by)) {}

  /// Sets `name`: beside `boxes`, 1 for each that went from left to right in this picture, -1 from right to
  /// left, else 0; left and right as one looks from the first point to the second.
  void look(const Geometry& where, Record& record) {
    const Point size = unit_size(by_.unit, where, by_.name);
    const Point a{by_.points.at(0).x * size.x, by_.points[0].y * size.y};
    const Point b{by_.points.at(1).x * size.x, by_.points[1].y * size.y};
    const double margin = by_.margin * size.y * std::hypot(b.x - a.x, b.y - a.y);
    std::vector<std::int64_t> crossed;
    for (const Detection& one : record.detections()) {
      crossed.push_back(is_meant(by_.classes, one) ? step(a, b, margin, one) : 0);
    }
    record.set(by_.name, crossed);
  }

 private:
  std::int64_t step(Point a, Point b, double margin, const Detection& one) {
    const std::int64_t track = track_of(one, by_.name);
    const Point now = anchor_of(one, by_.anchor);
    const double side = side_of(a, b, now);
    Point* before = sure_.find(track);
    // Written so that a NaN is on no side.
    if (!(std::abs(side) > margin)) return 0;
    if (before == nullptr) {
      sure_.put(track, now);
      return 0;
    }
    const Point from = std::exchange(*before, now);
    if ((side_of(a, b, from) > 0) == (side > 0)) return 0;
    const double one_end = side_of(from, now, a), other_end = side_of(from, now, b);
    const bool between = (one_end <= 0 && other_end >= 0) || (one_end >= 0 && other_end <= 0);
    return between ? (side > 0 ? 1 : -1) : 0;
  }

  By by_;
  Tracks<Point> sure_;
};

}  // namespace edgepack::blocks
