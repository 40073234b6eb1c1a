// The `screen` sink: what was found, drawn into the pictures, on the box's own display.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sink.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. device: a frame buffer. fps: pictures a second, at most. show: fields of the record that are
/// written into the upper left corner.
struct ScreenSays {
  std::string device;
  double fps;
  std::vector<std::string> show;
};

/// A screen that is not there holds nobody up: it is told, and looked for again.
std::unique_ptr<Sink> screen_sink(const std::string& data, const ScreenSays& says);

}  // namespace edgepack::program
