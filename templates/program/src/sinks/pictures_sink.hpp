// The `pictures` sink: what was found, drawn into the picture, in a folder that never outgrows its quota.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sink.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. fps: pictures a second, at most; 0: all. found: only those in which something was found. show:
/// fields of the record that are written into the upper left corner.
struct PicturesSays {
  std::string path;
  int keep_mb;
  std::string format;
  double fps;
  bool found;
  std::vector<std::string> show;
};

/// A disk that takes no pictures holds nobody up: it is told, and the picture goes without. Throws ReadError.
std::unique_ptr<Sink> pictures_sink(const std::string& data, const PicturesSays& says);

}  // namespace edgepack::program
