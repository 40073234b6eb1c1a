// The `samples` sink: the pictures that are worth another look, as files, in a folder that never outgrows its quota.
#pragma once

#include <memory>
#include <string>

#include "sink.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. One of the three is enough for a picture to be kept: each `every`th (0: none); one whose field
/// `low` is below `below` (empty: none), in a list any of it; around the moment at which the field `alarm` becomes
/// true (empty: none), with so many pictures `before` and `after` it.
struct SamplesSays {
  std::string path;
  int keep_mb;
  std::string format;
  int every;
  std::string low;
  double below;
  std::string alarm;
  int before, after;
};

/// A disk that takes no samples holds nobody up: it is told, and the picture goes without. Throws ReadError.
std::unique_ptr<Sink> samples_sink(const std::string& data, const SamplesSays& says);

}  // namespace edgepack::program
