// Pictures on a screen that is a file, behind lines of words: see test_screen.py. What a driver says of itself stands in
// the words; the structures and the numbers of requests are the kernel's (include/uapi/linux/fb.h, and the admin's
// Documentation/fb/api.rst, which says what each field holds).
#include <cerrno>
#include <iostream>
#include <memory>
#include <sstream>

#include <linux/fb.h>

#include "json.hpp"
#include "sinks/draw.cpp"
#include "sinks/frame_buffer.cpp"
#include "sinks/picture_file.cpp"

namespace {

fb_var_screeninfo changing;
fb_fix_screeninfo constant;
int refuses = 0;  // with this errno

}  // namespace

namespace edgepack::program {

int frame_buffer_call(int device, unsigned long request, void* about) {
  if (refuses != 0 || device < 0 || about == nullptr) {
    errno = refuses != 0 ? refuses : EBADF;
    return -1;
  }
  if (request == 0x4600) {  // FBIOGET_VSCREENINFO
    *static_cast<fb_var_screeninfo*>(about) = changing;
  } else if (request == 0x4602) {  // FBIOGET_FSCREENINFO
    *static_cast<fb_fix_screeninfo*>(about) = constant;
  } else {
    errno = ENOTTY;
    return -1;
  }
  return 0;
}

}  // namespace edgepack::program

int main() {
  using namespace edgepack::program;
  std::unique_ptr<FrameBuffer> screen;
  std::string question;
  while (std::getline(std::cin, question)) {
    std::istringstream words(question);
    std::string what, path;
    words >> what >> path;
    std::string answer = "\"\"";
    try {
      if (what == "open") {
        changing = {};
        constant = {};
        words >> changing.xres >> changing.yres >> changing.xoffset >> changing.yoffset >> changing.bits_per_pixel >> constant.line_length;
        words >> constant.smem_len >> constant.visual >> refuses;
        for (fb_bitfield* field : {&changing.red, &changing.green, &changing.blue}) words >> field->offset >> field->length;
        screen.reset();
        screen = std::make_unique<FrameBuffer>(path);
      } else {
        screen->show(coloured(pixels_of(read_image(path, false))));
      }
    } catch (const std::exception& error) {
      answer = Json().string(error.what()).text();
    }
    std::cout << answer << std::endl;
  }
}
