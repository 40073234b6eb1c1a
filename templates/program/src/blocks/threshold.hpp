// threshold: {score}: what was found with a lower score is left out.
#pragma once

#include <vector>

#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// Sets the record's detections; the comparison is that of floats, as scores are.
inline void threshold(double score, Record& record) {
  std::vector<Detection> kept;
  for (const Detection& one : record.detections()) {
    if (one.score >= static_cast<float>(score)) kept.push_back(one);
  }
  record.set_detections(std::move(kept));
}

}  // namespace edgepack::blocks
