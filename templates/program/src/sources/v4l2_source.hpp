// The `v4l2` source: a camera at the box, USB or built in.
#pragma once

#include <memory>
#include <string>

#include "edgepack/source.h"
#include "sources/v4l2_camera.hpp"

namespace edgepack::program {

/// A camera that is pulled out, fails or falls silent is told as a trouble, and opened again until it is there.
std::unique_ptr<Source> v4l2_source(const std::string& data, const V4l2SourceSays& says);

}  // namespace edgepack::program
