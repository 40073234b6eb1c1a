// The `gstreamer` source: video files, streams, RTSP and cameras, decoded by the box's own GStreamer.
#pragma once

#include <memory>
#include <string>

#include "sources/child_source.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. decoder: the element that is preferred; converter: one that brings pictures out of the decoder's
/// own memory; both may be empty. fps: 0, all there are.
struct GstreamerSourceSays {
  StreamSays stream;
  std::string transport, decoder, converter;
  int width, height;
  double fps;
};

/// Throws ReadError where the pictures have more pixels than this program reads.
std::unique_ptr<Source> gstreamer_source(const std::string& data, const GstreamerSourceSays& says);

}  // namespace edgepack::program
