// A screen by the kernel's frame buffer device (Documentation/fb/api.rst and linux/fb.h of the Linux kernel).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "decode.hpp"
#include "file.hpp"

namespace edgepack::program {

/// ioctl(2), in a file of its own: what is asked of the device goes through here alone.
int frame_buffer_call(int device, unsigned long request, void* about);

/// An open one, its memory mapped.
class FrameBuffer {
 public:
  /// Throws ReadError: it is not there, is no frame buffer, or is of a kind that is not drawn on.
  explicit FrameBuffer(const std::string& path);
  ~FrameBuffer();
  FrameBuffer(const FrameBuffer&) = delete;
  FrameBuffer& operator=(const FrameBuffer&) = delete;

  /// A picture in colour, in proportion, as large as the screen allows, in its middle; the rest is black.
  void show(const Pixels& picture);

 private:
  struct Field {
    unsigned offset = 0, length = 0;  // of a colour in a pixel, in bits
    std::uint32_t of(std::uint8_t value) const;
  };

  std::uint8_t* row(std::size_t y) const { return memory_ + first_ + y * stride_; }

  Fd device_;
  std::size_t width_ = 0, height_ = 0, bytes_ = 0, stride_ = 0, first_ = 0, mapped_ = 0;
  Field red_, green_, blue_;
  std::uint8_t* memory_ = nullptr;
  std::size_t of_width_ = 0, of_height_ = 0;  // of the picture that is on it
  std::vector<std::uint8_t> line_;
};

}  // namespace edgepack::program
