#include "sinks/frame_buffer.hpp"

#include <fcntl.h>
#include <linux/fb.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace edgepack::program {

namespace {

constexpr std::size_t longest_screen_side = 32768;  // of a screen: what a driver says is checked before it is multiplied

}  // namespace

/// The upper bits of a colour, where it has fewer than eight.
std::uint32_t FrameBuffer::Field::of(std::uint8_t value) const {
  const std::uint32_t bits = length >= 8 ? static_cast<std::uint32_t>(value) << (length - 8) : static_cast<std::uint32_t>(value) >> (8 - length);
  return bits << offset;
}

FrameBuffer::FrameBuffer(const std::string& path) : device_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
  if (!device_.open()) throw ReadError(trouble(path, errno));
  fb_var_screeninfo now{};
  fb_fix_screeninfo fixed{};
  if (frame_buffer_call(device_.get(), FBIOGET_VSCREENINFO, &now) != 0 || frame_buffer_call(device_.get(), FBIOGET_FSCREENINFO, &fixed) != 0) {
    throw ReadError(path + ": not a screen's frame buffer: " + std::strerror(errno));
  }
  const bool colours = fixed.visual == FB_VISUAL_TRUECOLOR || fixed.visual == FB_VISUAL_DIRECTCOLOR;
  const bool known = now.bits_per_pixel == 16 || now.bits_per_pixel == 24 || now.bits_per_pixel == 32;
  if (!colours || !known || fixed.type != FB_TYPE_PACKED_PIXELS || now.grayscale != 0) {
    throw ReadError(path + ": a screen of " + std::to_string(now.bits_per_pixel) + " bits a pixel; 16, 24 and 32 of true colour are drawn on");
  }
  width_ = now.xres;
  height_ = now.yres;
  bytes_ = now.bits_per_pixel / 8;
  stride_ = fixed.line_length;
  mapped_ = fixed.smem_len;
  const auto field = [&](const fb_bitfield& of) { return Field{of.offset, of.length}; };
  red_ = field(now.red);
  green_ = field(now.green);
  blue_ = field(now.blue);
  bool sane = width_ > 0 && height_ > 0 && width_ <= longest_screen_side && height_ <= longest_screen_side && now.xoffset <= longest_screen_side && now.yoffset <= longest_screen_side;
  for (const fb_bitfield* of : {&now.red, &now.green, &now.blue}) {
    sane = sane && of->length >= 1 && of->length <= 16 && of->offset + of->length <= now.bits_per_pixel && of->msb_right == 0;
  }
  // The part of its memory that is on the screen now.
  first_ = now.yoffset * stride_ + now.xoffset * bytes_;
  sane = sane && stride_ >= (now.xoffset + width_) * bytes_ && mapped_ / std::max<std::size_t>(1, stride_) >= now.yoffset + height_;
  if (!sane) throw ReadError(path + ": its driver says what cannot be: " + std::to_string(width_) + " x " + std::to_string(height_));
  void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_SHARED, device_.get(), 0);
  if (memory == MAP_FAILED) throw ReadError(trouble(path, errno));
  memory_ = static_cast<std::uint8_t*>(memory);
}

FrameBuffer::~FrameBuffer() {
  if (memory_ != nullptr) munmap(memory_, mapped_);
}

void FrameBuffer::show(const Pixels& picture) {
  if (picture.width != of_width_ || picture.height != of_height_) {
    for (std::size_t y = 0; y < height_; ++y) std::memset(row(y), 0, width_ * bytes_);
    of_width_ = picture.width;
    of_height_ = picture.height;
  }
  // As wide as the screen, or as high, without fractions: sides are 16 bits, their products 32.
  const bool wide = picture.width * height_ >= picture.height * width_;
  const std::size_t width = wide ? width_ : std::max<std::size_t>(1, picture.width * height_ / picture.height);
  const std::size_t height = wide ? std::max<std::size_t>(1, picture.height * width_ / picture.width) : height_;
  const std::size_t left = (width_ - width) / 2, top = (height_ - height) / 2;
  line_.resize(width * bytes_);
  for (std::size_t y = 0; y < height; ++y) {
    const std::uint8_t* from = picture.bytes.data() + (2 * y + 1) * picture.height / (2 * height) * picture.width * 3;
    for (std::size_t x = 0; x < width; ++x) {
      const std::uint8_t* pixel = from + (2 * x + 1) * picture.width / (2 * width) * 3;
      const std::uint32_t value = red_.of(pixel[0]) | green_.of(pixel[1]) | blue_.of(pixel[2]);
      // A pixel is a number in the machine's own order of bytes: little, on all that programs are made for.
      for (std::size_t b = 0; b < bytes_; ++b) line_[x * bytes_ + b] = static_cast<std::uint8_t>(value >> (8 * b));
    }
    std::memcpy(row(top + y) + left * bytes_, line_.data(), line_.size());
  }
}

}  // namespace edgepack::program
