// track: {overlap, patience}: a number for each thing, the same from picture to picture. A box goes on with the
// one before that it overlaps most, of the same class; the pair that overlaps most is taken first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "blocks/overlap.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// What is remembered from picture to picture.
class Tracker {
 public:
  /// overlap: intersection over union, at least. patience: pictures without a box, until it is forgotten.
  Tracker(double overlap, int patience) : overlap_(overlap), patience_(patience) {}

  /// Gives each detection of the next picture its number; a new one the next that was never used.
  void follow(std::vector<Detection>& found) {
    std::vector<bool> seen(known_.size(), false);
    for (Detection& one : found) one.track = 0;
    for (const Pair& pair : pairs(found)) {
      if (seen[pair.known] || found[pair.found].track != 0) continue;
      seen[pair.known] = true;
      found[pair.found].track = known_[pair.known].number;
      known_[pair.known].box = box_of(found[pair.found]);
    }
    std::vector<Known> next;
    for (std::size_t i = 0; i < known_.size(); ++i) {
      known_[i].missed = seen[i] ? 0 : known_[i].missed + 1;
      if (known_[i].missed <= patience_) next.push_back(known_[i]);
    }
    for (Detection& one : found) {
      if (one.track != 0) continue;
      one.track = ++last_;
      next.push_back({one.track, 0, box_of(one)});
    }
    known_ = std::move(next);
  }

 private:
  struct Known {
    std::int64_t number;
    int missed;
    Box box;
  };

  struct Pair {
    double overlap;
    std::size_t known, found;
  };

  /// Those that may be the same, the likeliest first; of two alike the older one, then the better one.
  std::vector<Pair> pairs(const std::vector<Detection>& found) const {
    std::vector<Pair> result;
    for (std::size_t k = 0; k < known_.size(); ++k) {
      for (std::size_t f = 0; f < found.size(); ++f) {
        if (known_[k].box.kind != found[f].kind) continue;
        const double both = blocks::overlap(known_[k].box, box_of(found[f]));
        if (both >= overlap_) result.push_back({both, k, f});
      }
    }
    std::stable_sort(result.begin(), result.end(), [](const Pair& a, const Pair& b) { return a.overlap > b.overlap; });
    return result;
  }

  double overlap_;
  int patience_;
  std::int64_t last_ = 0;
  std::vector<Known> known_;
};

/// Sets the record's detections, with their numbers.
inline void track(Tracker& tracker, Record& record) {
  std::vector<Detection> found = record.detections();
  tracker.follow(found);
  record.set("tracks", std::vector<std::int64_t>());
  record.set_detections(std::move(found));
}

}  // namespace edgepack::blocks
