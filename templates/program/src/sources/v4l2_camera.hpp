// A camera that is open and streams: Video4Linux2, memory-mapped buffers of the driver's, single-planar.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "edgepack/edgepack.h"
#include "sources/yuv.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. format: yuyv, nv12, gray, mjpeg. 0: as the driver likes it.
struct V4l2SourceSays {
  std::string device, format;
  int width, height;
  double fps, silent_s;
};

/// What a camera gives, as its driver says.
struct CameraPicture {
  std::uint32_t format;  // V4L2_PIX_FMT_…
  Layout layout;
  Colours colours;

  /// How many bytes a picture has at least; 0 where that is not known before.
  std::size_t bytes() const;
  /// The picture in these bytes. Throws ReadError.
  Tensor read(const std::vector<unsigned char>& bytes, const std::string& name) const;
};

struct CameraFrame {
  std::vector<unsigned char> bytes;
  Moment when;
};

class V4l2Camera {
 public:
  /// Opens it and lets it stream. Throws std::runtime_error, in words that name the device.
  explicit V4l2Camera(const V4l2SourceSays& says);
  /// Everything is given back to the driver, also where the camera has gone.
  ~V4l2Camera();
  V4l2Camera(const V4l2Camera&) = delete;
  V4l2Camera& operator=(const V4l2Camera&) = delete;

  /// The newest picture there is; waits for one, not longer than that. Throws std::runtime_error where the camera has
  /// gone or fails.
  std::optional<CameraFrame> frame(std::chrono::milliseconds patience);

  const CameraPicture& picture() const { return *picture_; }
  /// What it is and what it gives, for the log.
  const std::string& told() const { return told_; }

 private:
  struct Buffer {
    unsigned char* bytes;
    std::size_t size;
  };

  void identify();
  void choose(const V4l2SourceSays& says);
  void pace(double fps);
  void share();
  void give(std::uint32_t index);
  std::optional<CameraFrame> take();
  void close();
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail(const std::string& what, int error) const;
  bool control(unsigned long request, void* argument) const;

  const std::string device_;
  int fd_ = -1;
  bool streams_ = false;
  std::vector<Buffer> buffers_;
  std::optional<CameraPicture> picture_;
  std::string told_;
};

}  // namespace edgepack::program
