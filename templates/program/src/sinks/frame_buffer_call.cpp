#include <sys/ioctl.h>

#include "sinks/frame_buffer.hpp"

namespace edgepack::program {

int frame_buffer_call(int device, unsigned long request, void* about) {
  return ioctl(device, static_cast<int>(request), about);  // musl takes an int, and all requests to a screen are small
}

}  // namespace edgepack::program
