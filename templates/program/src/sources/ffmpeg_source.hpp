// The `ffmpeg` source: video files, streams and RTSP, decoded by the box's own ffmpeg.
#pragma once

#include <memory>
#include <string>

#include "edgepack/source.h"

namespace edgepack::program {

/// Of edgepack.yaml. input: a URL or a file, below the data folder unless whole; empty where `input_file`, a file on
/// the box, has it as its first line: that is a secret then. fps: 0, all there are. again: after the end of a file, too.
struct FfmpegSourceSays {
  std::string program, input, input_file, transport;
  double fps, silent_s;
  bool again;
};

/// ffmpeg is started with its words, without a shell, and again when it ends, sends junk, or is silent for too long;
/// with pauses that grow. It ends with this program, however that ends.
std::unique_ptr<Source> ffmpeg_source(const std::string& data, const FfmpegSourceSays& says);

}  // namespace edgepack::program
