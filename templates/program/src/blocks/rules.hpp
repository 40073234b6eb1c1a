// What the rules are made of: a box's point, lists beside `boxes`, numbers of the record, what is remembered.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "blocks/geometry.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// Which point of a box is asked about: the middle of its lower side, where a thing stands, or of all of it.
enum class Anchor { bottom, center };

/// Of a place: shares of the picture's width and height, or its pixels.
enum class Unit { fraction, pixels };

struct Point {
  double x = 0, y = 0;
};

inline Point anchor_of(const Detection& one, Anchor anchor) {
  const auto x0 = static_cast<double>(one.x0), x1 = static_cast<double>(one.x1);
  const auto y0 = static_cast<double>(one.y0), y1 = static_cast<double>(one.y1);
  return {(x0 + x1) / 2, anchor == Anchor::bottom ? y1 : (y0 + y1) / 2};
}

/// What 1 of the unit is, in pixels. Throws where the picture's size is not known.
inline Point unit_size(Unit unit, const Geometry& where, const std::string& rule) {
  if (unit == Unit::pixels) return {1, 1};
  if (!where.known()) {
    throw std::invalid_argument("`" + rule + "`: the picture's size is not known, as code of the project in `pre` makes " +
                                "another: say its places in pixels");
  }
  return {static_cast<double>(where.width), static_cast<double>(where.height)};
}

/// On which side of the way from a to b the point lies: above 0 on its right, as one sees it (rows go down);
/// divided by the way's length its distance.
inline double side_of(Point a, Point b, Point point) {
  return (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x);
}

/// Whether a rule speaks of it: no names are all.
inline bool is_meant(const std::vector<std::string>& names, const Detection& one) {
  return names.empty() || std::find(names.begin(), names.end(), one.name) != names.end();
}

/// The list that another rule left beside `boxes`. Throws where boxes were taken away or added since.
inline std::vector<std::int64_t> beside_boxes(const Record& record, const std::string& field, const std::string& rule) {
  const Record::Value* value = record.find(field);
  const auto* list = value != nullptr ? std::get_if<std::vector<std::int64_t>>(value) : nullptr;
  if (list == nullptr) throw std::invalid_argument("`" + rule + "`: there is no zone or line `" + field + "` before it");
  if (list->size() != record.detections().size()) {
    throw std::invalid_argument("`" + rule + "`: `" + field + "` was told of " + std::to_string(list->size()) +
                                " boxes, and now there are " + std::to_string(record.detections().size()) +
                                ": rules come after what leaves boxes out");
  }
  return *list;
}

/// A field as a number: true is 1. Throws where there is none, and for a text or a list.
inline double number_in(const Record& record, const std::string& field, const std::string& rule) {
  const Record::Value* value = record.find(field);
  if (value == nullptr) throw std::invalid_argument("`" + rule + "`: the record has no field `" + field + "` before it");
  if (const auto* truth = std::get_if<bool>(value)) return *truth ? 1 : 0;
  if (const auto* integer = std::get_if<std::int64_t>(value)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(value)) return *number;
  throw std::invalid_argument("`" + rule + "`: the field `" + field + "` is no number");
}

/// The number that `track` gave. Throws where it gave none: nothing would ever cross or stay.
inline std::int64_t track_of(const Detection& one, const std::string& rule) {
  if (one.track == 0) throw std::invalid_argument("`" + rule + "`: a box without a number: `track` comes before it");
  return one.track;
}

/// Seconds since the first picture. A clock that was set back stands still for a picture and then goes on.
class Elapsed {
 public:
  double at(double seconds) {
    if (!std::isfinite(seconds)) return now_;
    if (known_) now_ += std::max(0.0, seconds - last_);
    known_ = true;
    last_ = seconds;
    return now_;
  }

 private:
  bool known_ = false;
  double now_ = 0, last_ = 0;
};

/// Something about each track, of the last 4096: numbers are never used again, and a program runs for years.
template <class Value>
class Tracks {
 public:
  static constexpr std::size_t most = 4096;

  /// What is known of it, or nullptr. It has now been seen.
  Value* find(std::int64_t track) {
    const auto found = known_.find(track);
    if (found == known_.end()) return nullptr;
    found->second.seen = ++looks_;
    return &found->second.value;
  }

  Value& put(std::int64_t track, Value value) {
    Known& known = known_[track];
    known = {std::move(value), ++looks_};
    if (known_.size() > most) forget();
    return known.value;
  }

  void erase(std::int64_t track) { known_.erase(track); }

 private:
  struct Known {
    Value value;
    std::uint64_t seen;
  };

  /// The one that was not seen for longest; never the one just put.
  void forget() {
    const auto older = [](const auto& a, const auto& b) { return a.second.seen < b.second.seen; };
    known_.erase(std::min_element(known_.begin(), known_.end(), older));
  }

  std::map<std::int64_t, Known> known_;
  std::uint64_t looks_ = 0;
};

}  // namespace edgepack::blocks
