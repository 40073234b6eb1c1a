#include "sources/v4l2_camera.hpp"

#include <linux/videodev2.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "decode.hpp"
#include "image.hpp"
#include "sources/video_calls.hpp"

namespace edgepack::program {

namespace {

constexpr std::uint32_t wanted_buffers = 4, most_buffers = 32, most_formats = 64;
constexpr std::size_t longest_side = 65535, largest_buffer = 256U << 20U;

struct Known {
  const char* word;
  std::uint32_t format;
};
constexpr Known known_formats[] = {
    {"yuyv", V4L2_PIX_FMT_YUYV}, {"nv12", V4L2_PIX_FMT_NV12}, {"gray", V4L2_PIX_FMT_GREY}, {"mjpeg", V4L2_PIX_FMT_MJPEG}};

std::uint32_t format_of(const std::string& word) {
  for (const Known& known : known_formats) {
    if (word == known.word) return known.format;
  }
  throw std::runtime_error("source.format " + word + " is not known here");
}

/// Four letters, as drivers name formats; anything else of them is no letter.
std::string letters(std::uint32_t format) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    const char c = static_cast<char>(format >> (8 * i) & 0x7f);
    text += c > ' ' && c <= '~' ? c : '?';
  }
  return text;
}

std::string driver_text(const unsigned char* text, std::size_t most) {
  std::string found;
  for (std::size_t i = 0; i < most && text[i] != 0; ++i) found += text[i] >= ' ' && text[i] <= '~' ? static_cast<char>(text[i]) : '?';
  return found;
}

/// What the driver leaves open is as the kernel's header says for its colour space.
Colours colours_of(const v4l2_pix_format& pix) {
  const std::uint32_t space = pix.colorspace;
  const std::uint32_t encoding = pix.ycbcr_enc == V4L2_YCBCR_ENC_DEFAULT ? V4L2_MAP_YCBCR_ENC_DEFAULT(space) : pix.ycbcr_enc;
  const std::uint32_t range =
      pix.quantization == V4L2_QUANTIZATION_DEFAULT ? V4L2_MAP_QUANTIZATION_DEFAULT(false, space, encoding) : pix.quantization;
  const bool hd = encoding == V4L2_YCBCR_ENC_709 || encoding == V4L2_YCBCR_ENC_XV709;
  return {hd ? Colours::Standard::bt709 : Colours::Standard::bt601, range == V4L2_QUANTIZATION_FULL_RANGE};
}

/// Half a picture is none: fields that come one by one are not put together here.
bool whole_pictures(std::uint32_t field) {
  return field == V4L2_FIELD_ANY || field == V4L2_FIELD_NONE || field == V4L2_FIELD_INTERLACED || field == V4L2_FIELD_INTERLACED_TB ||
         field == V4L2_FIELD_INTERLACED_BT;
}

/// By the driver's clock where that is the program's own one and makes sense; else the moment that it is.
Moment taken_at(const v4l2_buffer& buffer) {
  Moment when = now();
  if ((buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC) return when;
  const double taken = static_cast<double>(buffer.timestamp.tv_sec) + static_cast<double>(buffer.timestamp.tv_usec) * 1e-6;
  const double ago = when.seconds - taken;
  if (!(ago >= 0 && ago < 60)) return when;
  return {taken, when.utc - ago};
}

}  // namespace

std::size_t CameraPicture::bytes() const {
  switch (format) {
    case V4L2_PIX_FMT_YUYV: return layout.stride * (layout.height - 1) + layout.width * 2;
    case V4L2_PIX_FMT_GREY: return layout.stride * (layout.height - 1) + layout.width;
    case V4L2_PIX_FMT_NV12: return layout.stride * (layout.height + layout.height / 2 - 1) + layout.width;
    default: return 0;
  }
}

Tensor CameraPicture::read(const std::vector<unsigned char>& from, const std::string& name) const {
  switch (format) {
    case V4L2_PIX_FMT_YUYV: return from_yuyv(from.data(), layout, colours);
    case V4L2_PIX_FMT_GREY: return from_gray(from.data(), layout);
    case V4L2_PIX_FMT_NV12: return from_nv12(from.data(), layout, colours);
    default: return decode_image(from, name);
  }
}

V4l2Camera::V4l2Camera(const V4l2SourceSays& says) : device_(says.device), fd_(video_open(says.device.c_str())) {
  if (fd_ < 0) fail(errno == EACCES ? "its account must be in the device's group, mostly `video`" : "it cannot be opened", errno);
  try {
    identify();
    choose(says);
    pace(says.fps);
    share();
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (!control(VIDIOC_STREAMON, &type)) fail("it does not begin", errno);
    streams_ = true;
  } catch (...) {
    close();
    throw;
  }
}

V4l2Camera::~V4l2Camera() { close(); }

/// Whether it is a camera at all.
void V4l2Camera::identify() {
  v4l2_capability about{};
  if (!control(VIDIOC_QUERYCAP, &about)) fail("it is no Video4Linux device", errno);
  const std::uint32_t can = (about.capabilities & V4L2_CAP_DEVICE_CAPS) != 0 ? about.device_caps : about.capabilities;
  if ((can & V4L2_CAP_VIDEO_CAPTURE) == 0) {
    fail((can & V4L2_CAP_VIDEO_CAPTURE_MPLANE) != 0 ? "it gives its pictures in several planes, which is not read here"
                                                    : "it gives no pictures: a camera has several devices, this one is for something else");
  }
  if ((can & V4L2_CAP_STREAMING) == 0) fail("it does not stream");
  told_ = driver_text(about.card, sizeof about.card);
}

void V4l2Camera::choose(const V4l2SourceSays& says) {
  const std::uint32_t format = format_of(says.format);
  std::string has;
  bool there = false;
  for (std::uint32_t index = 0; index < most_formats; ++index) {
    v4l2_fmtdesc one{};
    one.index = index;
    one.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (!control(VIDIOC_ENUM_FMT, &one)) break;
    there = there || one.pixelformat == format;
    has += (has.empty() ? "" : ", ") + letters(one.pixelformat);
  }
  if (!there) fail("it has no " + says.format + " pictures (source.format); it has: " + has);
  v4l2_format wanted{};
  wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (!control(VIDIOC_G_FMT, &wanted)) fail("it does not say its format", errno);
  v4l2_pix_format& pix = wanted.fmt.pix;
  if (says.width > 0) pix.width = static_cast<std::uint32_t>(says.width);
  if (says.height > 0) pix.height = static_cast<std::uint32_t>(says.height);
  pix.pixelformat = format;
  pix.field = V4L2_FIELD_ANY;
  pix.bytesperline = pix.sizeimage = 0;
  pix.priv = V4L2_PIX_FMT_PRIV_MAGIC;  // it may say which colours it means
  if (!control(VIDIOC_S_FMT, &wanted)) fail(errno == EBUSY ? "another program has it" : "it does not take the format", errno);
  if (pix.pixelformat != format) fail("it gives " + letters(pix.pixelformat) + ", and " + says.format + " was asked for");
  if (!whole_pictures(pix.field)) fail("it gives its pictures in halves, a field at a time");
  const std::string size = std::to_string(pix.width) + " x " + std::to_string(pix.height);
  if (pix.width > longest_side || pix.height > longest_side || pix.bytesperline > largest_buffer) fail("it gives pictures of " + size);
  check_pixels(device_, pix.width, pix.height);
  if (((format == V4L2_PIX_FMT_YUYV || format == V4L2_PIX_FMT_NV12) && pix.width % 2 != 0) || (format == V4L2_PIX_FMT_NV12 && pix.height % 2 != 0)) {
    fail("its pictures of " + size + " have odd sides, which " + says.format + " cannot");
  }
  const std::size_t least = format == V4L2_PIX_FMT_MJPEG ? 0 : pix.width * (format == V4L2_PIX_FMT_YUYV ? 2 : 1);
  const std::size_t stride = std::max<std::size_t>(pix.bytesperline, least);
  picture_.emplace(CameraPicture{format, {pix.height, pix.width, stride}, colours_of(pix)});
  told_ += ": " + size + " " + says.format;
  const bool other = (says.width > 0 && pix.width != static_cast<std::uint32_t>(says.width)) ||
                     (says.height > 0 && pix.height != static_cast<std::uint32_t>(says.height));
  if (other) told_ += ", and " + std::to_string(says.width) + " x " + std::to_string(says.height) + " was asked for";
}

/// A driver that cannot choose its pace, or takes another, is left with that: more than `fps` is left out here.
void V4l2Camera::pace(double fps) {
  v4l2_streamparm about{};
  about.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (fps <= 0 || !control(VIDIOC_G_PARM, &about) || (about.parm.capture.capability & V4L2_CAP_TIMEPERFRAME) == 0) return;
  about.parm.capture.timeperframe = {1000, static_cast<std::uint32_t>(std::max(1.0, std::round(fps * 1000)))};
  static_cast<void>(control(VIDIOC_S_PARM, &about));
}

/// Buffers of the driver's, seen from here, and all of them given to it.
void V4l2Camera::share() {
  v4l2_requestbuffers wanted{};
  wanted.count = wanted_buffers;
  wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  wanted.memory = V4L2_MEMORY_MMAP;
  if (!control(VIDIOC_REQBUFS, &wanted)) fail(errno == EBUSY ? "another program has it" : "it gives no buffers", errno);
  if (wanted.count < 2 || wanted.count > most_buffers) fail("it gives " + std::to_string(wanted.count) + " buffers");
  for (std::uint32_t index = 0; index < wanted.count; ++index) {
    v4l2_buffer about{};
    about.index = index;
    about.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    about.memory = V4L2_MEMORY_MMAP;
    if (!control(VIDIOC_QUERYBUF, &about)) fail("it does not show its buffers", errno);
    if (about.length == 0 || about.length > largest_buffer || about.length < picture_->bytes()) {
      fail("its buffers have " + std::to_string(about.length) + " bytes, and a picture " + std::to_string(picture_->bytes()));
    }
    void* bytes = video_map(fd_, about.length, static_cast<off_t>(about.m.offset));
    if (bytes == MAP_FAILED) fail("its buffers cannot be read", errno);
    buffers_.push_back({static_cast<unsigned char*>(bytes), about.length});
  }
  for (std::uint32_t index = 0; index < wanted.count; ++index) give(index);
}

void V4l2Camera::give(std::uint32_t index) {
  v4l2_buffer about{};
  about.index = index;
  about.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  about.memory = V4L2_MEMORY_MMAP;
  if (!control(VIDIOC_QBUF, &about)) fail("it does not take its buffer back", errno);
}

std::optional<CameraFrame> V4l2Camera::frame(std::chrono::milliseconds patience) {
  const int stirs = video_wait(fd_, static_cast<int>(patience.count()));
  if (stirs < 0) fail("it cannot be waited for", errno);
  if (stirs == 0) return std::nullopt;
  // What lies behind the newest one is older than it need be.
  std::optional<CameraFrame> newest;
  for (std::size_t tries = 0; tries < 2 * buffers_.size(); ++tries) {
    try {
      std::optional<CameraFrame> next = take();
      if (!next) break;
      if (!next->bytes.empty()) newest = std::move(next);
    } catch (const std::runtime_error&) {
      if (newest) break;  // it is said the next time
      throw;
    }
  }
  return newest;
}

/// The next one that is filled; without bytes where it is spoilt, nothing where there is none.
std::optional<CameraFrame> V4l2Camera::take() {
  v4l2_buffer about{};
  about.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  about.memory = V4L2_MEMORY_MMAP;
  if (!control(VIDIOC_DQBUF, &about)) {
    if (errno == EAGAIN) return std::nullopt;
    fail(errno == ENODEV ? "the camera has gone" : "it gives no picture", errno);
  }
  if (about.index >= buffers_.size()) fail("it gives a buffer that it does not have");
  const Buffer& buffer = buffers_[about.index];
  CameraFrame frame{{}, taken_at(about)};
  const std::size_t least = picture_->bytes();
  // Of raw pictures some drivers leave bytesused at the whole buffer; of JPEG it is the length.
  const bool whole = (about.flags & V4L2_BUF_FLAG_ERROR) == 0 && about.bytesused > 0 && about.bytesused <= buffer.size && about.bytesused >= least;
  if (whole) frame.bytes.assign(buffer.bytes, buffer.bytes + (least > 0 ? least : about.bytesused));
  give(about.index);
  return frame;
}

void V4l2Camera::close() {
  if (fd_ < 0) return;
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (streams_) static_cast<void>(control(VIDIOC_STREAMOFF, &type));
  for (const Buffer& buffer : buffers_) video_unmap(buffer.bytes, buffer.size);
  buffers_.clear();
  video_close(fd_);  // the buffers go with it
  fd_ = -1;
  streams_ = false;
}

bool V4l2Camera::control(unsigned long request, void* argument) const { return video_control(fd_, request, argument) == 0; }

void V4l2Camera::fail(const std::string& what) const { throw std::runtime_error(device_ + ": " + what); }

void V4l2Camera::fail(const std::string& what, int error) const { fail(what + ": " + std::strerror(error)); }

}  // namespace edgepack::program
