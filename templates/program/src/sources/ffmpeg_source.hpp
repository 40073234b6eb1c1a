// The `ffmpeg` source: video files, streams and RTSP, decoded by the box's own ffmpeg.
#pragma once

#include <memory>
#include <string>

#include "sources/child_source.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. fps: 0, all there are. decoder: ffmpeg's name of one; empty: the one it takes.
struct FfmpegSourceSays {
  StreamSays stream;
  std::string transport, decoder;
  double fps;
};

std::unique_ptr<Source> ffmpeg_source(const std::string& data, const FfmpegSourceSays& says);

}  // namespace edgepack::program
