#include "sources/video_calls.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace edgepack::program {

int video_open(const char* path) { return ::open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); }

int video_close(int device) { return ::close(device); }

int video_control(int device, unsigned long request, void* argument) {
  int found = 0;
  do {
    found = ::ioctl(device, request, argument);
  } while (found < 0 && errno == EINTR);
  return found;
}

void* video_map(int device, std::size_t length, off_t offset) {
  return ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, device, offset);
}

int video_unmap(void* buffer, std::size_t length) { return ::munmap(buffer, length); }

int video_wait(int device, int milliseconds) {
  pollfd about{device, POLLIN, 0};
  const int found = ::poll(&about, 1, milliseconds);
  return found < 0 && errno == EINTR ? 0 : found;
}

}  // namespace edgepack::program
