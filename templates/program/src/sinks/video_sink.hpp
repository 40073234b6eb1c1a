// The `video` and `rtsp` sinks: what was found, drawn into the pictures, as video, through the ffmpeg that the box has.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sink.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. codec: as ffmpeg names its encoder. bitrate_kb: a second; 0: the encoder's own. fps: pictures a
/// second, at most. show: fields of the record that are written into the upper left corner.
struct Encoding {
  std::string program, codec;
  int bitrate_kb;
  double fps;
  std::vector<std::string> show;
};

/// path: a folder below the data folder, of files of segment_s seconds, and never more than keep_mb.
struct VideoSinkSays {
  std::string path;
  int keep_mb;
  double segment_s;
  Encoding encoding;
};

/// url, or the first line of url_file: a whole path, or one below the data folder.
struct RtspSinkSays {
  std::string url, url_file, transport;
  Encoding encoding;
};

/// They hold nobody up: a picture that comes while the one before is still being drawn or taken is left out, and
/// counted. Throws ReadError.
std::unique_ptr<Sink> video_sink(const std::string& data, const VideoSinkSays& says);
std::unique_ptr<Sink> rtsp_sink(const std::string& data, const RtspSinkSays& says);

}  // namespace edgepack::program
