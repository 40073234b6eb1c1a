// The calls of the kernel that a camera needs, as they are: video_calls.cpp has nothing but them, so that a test can
// answer them in the kernel's place.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace edgepack::program {

/// open(2), for reading and writing, without waiting. -1 and errno, here and below.
int video_open(const char* path);
int video_close(int device);

/// ioctl(2); one that a signal has cut short is asked again.
int video_control(int device, unsigned long request, void* argument);

/// mmap(2) of a buffer of the driver's, shared, for reading and writing; MAP_FAILED and errno.
void* video_map(int device, std::size_t length, off_t offset);
int video_unmap(void* buffer, std::size_t length);

/// poll(2): whether something is to be taken. 1, also where the device has a trouble, which the next call tells; 0 after
/// that time.
int video_wait(int device, int milliseconds);

}  // namespace edgepack::program
