// A Video4Linux2 driver in the kernel's place: it answers the calls of `sources/video_calls.hpp` as the kernel's
// userspace API says (docs.kernel.org/userspace-api/media/v4l: open, vidioc-querycap, -enum-fmt, -g-fmt, -g-parm,
// -reqbufs, -querybuf, -qbuf, -streamon, mmap, func-poll; the numbers are those of linux/videodev2.h), and not as the
// source that is tested would like it. What the API forbids ends the process with a sentence, also where a real driver
// would let it pass: a wrong size or type, a reserved field that is not 0, a buffer queued twice, taken before
// STREAMON, read while the driver has it (it cannot be: its memory is closed then), not unmapped, a device not closed.
//
// What it does, a text says, a word and its values a line: what the camera is first, then what happens, in its order.
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "sources/video_calls.hpp"

namespace standin {

[[noreturn]] void fault(const std::string& what) {
  std::fprintf(stderr, "v4l2: %s\n", what.c_str());
  std::abort();
}

void hold(bool right, const char* what) {
  if (!right) fault(what);
}

template <class List>
bool is_zero(const List& list) {
  for (const auto one : list) {
    if (one != 0) return false;
  }
  return true;
}

/// What happens next: `frame FILE`, `spoilt FILE`, `bytes FILE COUNT`, `index N`, `pause`, `eio`, `gone`, `quiet`.
struct Event {
  std::string what, file;
  std::uint32_t number = 0;
};

struct Buffer {
  unsigned char* seen = nullptr;  // where the program has it; nullptr: not mapped
  bool queued = false;
  int file = -1;
};

struct Camera {
  // What it is.
  std::string path = "/dev/video0", card = "Stand-in";
  std::uint32_t caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING, granted = 0, length = 0;
  std::vector<std::uint32_t> formats{V4L2_PIX_FMT_YUYV};
  std::uint32_t width = 0, height = 0;  // what it gives, whatever is asked for; 0: what is asked for
  std::uint32_t pad = 0, space = V4L2_COLORSPACE_SMPTE170M, encoding = 0, range = 0, field = V4L2_FIELD_NONE, gives = 0;
  bool paces = true, denied = false, busy = false;
  std::deque<Event> events;
  int away = 0;  // how often it is not there yet

  // How it stands.
  int device = -1;
  bool streaming = false, present = true;
  std::vector<Buffer> buffers;
  std::deque<std::uint32_t> filling;  // given by the program, in their order
  v4l2_pix_format pix{};
  double fps = 0;
  int opened = 0;
} camera;

std::uint32_t four(const std::string& letters) {
  hold(letters.size() == 4, "the plan names a format that is not of four letters");
  return v4l2_fourcc(letters[0], letters[1], letters[2], letters[3]);
}

void plan(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    const auto number = [&] {
      std::uint32_t value = 0;
      words >> std::setbase(0) >> value;
      return value;
    };
    std::map<std::string, std::uint32_t*> fields{{"caps", &camera.caps},   {"granted", &camera.granted}, {"length", &camera.length},
                                                 {"width", &camera.width}, {"height", &camera.height},   {"pad", &camera.pad},
                                                 {"space", &camera.space}, {"encoding", &camera.encoding}, {"range", &camera.range},
                                                 {"field", &camera.field}};
    if (fields.count(what) != 0) {
      *fields[what] = number();
    } else if (what == "formats") {
      camera.formats.clear();
      for (std::string one; words >> one;) camera.formats.push_back(four(one));
    } else if (what == "gives") {
      std::string one;
      words >> one;
      camera.gives = four(one);
    } else if (what == "unpaced") {
      camera.paces = false;
    } else if (what == "denied") {
      camera.denied = true;
    } else if (what == "busy") {
      camera.busy = true;
    } else if (what == "away") {
      camera.away = static_cast<int>(number());
    } else {
      Event event{what, "", 0};
      if (what == "index" || what == "gone") {
        event.number = number();
      } else {
        words >> event.file >> event.number;
      }
      camera.events.push_back(event);
    }
  }
}

/// What of it was not given back; empty where all was.
std::string left() {
  std::string words;
  if (camera.device >= 0) words += "the device is open; ";
  for (const Buffer& one : camera.buffers) words += one.seen != nullptr ? "a buffer is mapped; " : "";
  return words;
}

int wrong(int error) {
  errno = error;
  return -1;
}

template <class Argument>
Argument& as(unsigned long request, void* argument) {
  hold(_IOC_SIZE(request) == sizeof(Argument) && _IOC_TYPE(request) == 'V', "a request of another size");
  hold(argument != nullptr, "a request without its argument");
  return *static_cast<Argument*>(argument);
}

void allow(Buffer& buffer, int protection) {
  if (buffer.seen != nullptr) hold(mprotect(buffer.seen, camera.length, protection) == 0, "mprotect");
}

int enumerate(v4l2_fmtdesc& one) {
  hold(one.type == V4L2_BUF_TYPE_VIDEO_CAPTURE && is_zero(one.reserved), "ENUM_FMT: of another type, or reserved is not 0");
  if (one.index >= camera.formats.size()) return wrong(EINVAL);
  one.pixelformat = camera.formats[one.index];
  return 0;
}

int format(v4l2_format& about, bool set) {
  hold(about.type == V4L2_BUF_TYPE_VIDEO_CAPTURE, "a format of another type");
  v4l2_pix_format& pix = about.fmt.pix;
  if (!set) {
    pix = camera.pix;
    if (pix.width == 0) pix.width = 4, pix.height = 2;
    return 0;
  }
  if (camera.busy || !camera.buffers.empty()) return wrong(EBUSY);
  hold(pix.priv == V4L2_PIX_FMT_PRIV_MAGIC || (pix.ycbcr_enc == 0 && pix.quantization == 0), "S_FMT: colours without V4L2_PIX_FMT_PRIV_MAGIC");
  if (camera.width > 0) pix.width = camera.width, pix.height = camera.height;
  if (camera.gives != 0) pix.pixelformat = camera.gives;
  const bool jpeg = pix.pixelformat == V4L2_PIX_FMT_MJPEG;
  pix.bytesperline = jpeg ? 0 : pix.width * (pix.pixelformat == V4L2_PIX_FMT_YUYV ? 2 : 1) + camera.pad;
  pix.sizeimage = jpeg ? pix.width * pix.height * 3 + 4096 : pix.bytesperline * pix.height * (pix.pixelformat == V4L2_PIX_FMT_NV12 ? 3 : 2) / 2;
  pix.field = camera.field;
  pix.colorspace = camera.space;
  pix.ycbcr_enc = camera.encoding;
  pix.quantization = camera.range;
  camera.pix = pix;
  if (camera.length == 0) camera.length = (pix.sizeimage + 4095) / 4096 * 4096;
  return 0;
}

int pace(v4l2_streamparm& about, bool set) {
  hold(about.type == V4L2_BUF_TYPE_VIDEO_CAPTURE, "a pace of another type");
  v4l2_captureparm& capture = about.parm.capture;
  hold(is_zero(capture.reserved), "S_PARM: reserved is not 0");
  if (!set) {
    capture.capability = camera.paces ? V4L2_CAP_TIMEPERFRAME : 0;
    capture.timeperframe = {1, 30};
    return 0;
  }
  hold(camera.paces, "S_PARM: it cannot choose its pace");
  hold(capture.timeperframe.numerator > 0 && capture.timeperframe.denominator > 0, "S_PARM: a pace of nothing");
  camera.fps = static_cast<double>(capture.timeperframe.denominator) / capture.timeperframe.numerator;
  return 0;
}

int request(v4l2_requestbuffers& about) {
  hold(about.type == V4L2_BUF_TYPE_VIDEO_CAPTURE && about.memory == V4L2_MEMORY_MMAP && is_zero(about.reserved), "REQBUFS: another type, memory, or reserved is not 0");
  hold(camera.pix.width > 0, "REQBUFS before S_FMT");
  for (const Buffer& one : camera.buffers) {
    if (one.seen != nullptr) return wrong(EBUSY);
  }
  if (camera.granted > 0) about.count = camera.granted;
  camera.buffers.assign(about.count, {});
  return 0;
}

int query(v4l2_buffer& about) {
  hold(about.type == V4L2_BUF_TYPE_VIDEO_CAPTURE && about.memory == V4L2_MEMORY_MMAP, "QUERYBUF: another type or memory");
  if (about.index >= camera.buffers.size()) return wrong(EINVAL);
  about.length = camera.length;
  about.m.offset = (about.index + 1) << 24;
  return 0;
}

int queue(v4l2_buffer& about) {
  hold(about.type == V4L2_BUF_TYPE_VIDEO_CAPTURE && about.memory == V4L2_MEMORY_MMAP, "QBUF: another type or memory");
  hold(about.flags == 0 && about.reserved2 == 0, "QBUF: flags or reserved2 is not 0");
  hold(about.index < camera.buffers.size(), "QBUF: there is no such buffer");
  Buffer& buffer = camera.buffers[about.index];
  hold(buffer.seen != nullptr, "QBUF: a buffer that nobody has mapped");
  hold(!buffer.queued, "QBUF: a buffer that the driver has already");
  buffer.queued = true;
  camera.filling.push_back(about.index);
  allow(buffer, PROT_NONE);
  return 0;
}

int stream(const int& type, bool on) {
  hold(type == V4L2_BUF_TYPE_VIDEO_CAPTURE, "STREAMON: another type");
  hold(!on || (!camera.buffers.empty() && !camera.streaming), "STREAMON: without buffers, or twice");
  camera.streaming = on;
  if (on) return 0;
  camera.filling.clear();
  for (Buffer& one : camera.buffers) {
    one.queued = false;
    allow(one, PROT_READ | PROT_WRITE);
  }
  return 0;
}

int take(v4l2_buffer& about) {
  hold(about.type == V4L2_BUF_TYPE_VIDEO_CAPTURE && about.memory == V4L2_MEMORY_MMAP, "DQBUF: another type or memory");
  hold(camera.streaming, "DQBUF before STREAMON");
  if (camera.events.empty() || camera.events.front().what == "quiet") return wrong(EAGAIN);
  const Event event = camera.events.front();
  if (event.what == "pause" || event.what == "eio") {
    camera.events.pop_front();
    return wrong(event.what == "eio" ? EIO : EAGAIN);
  }
  if (event.what == "gone") {
    camera.present = false;
    camera.away = static_cast<int>(event.number);
    camera.events.pop_front();
    return wrong(ENODEV);
  }
  if (camera.filling.empty()) return wrong(EAGAIN);
  camera.events.pop_front();
  const std::uint32_t index = camera.filling.front();
  camera.filling.pop_front();
  Buffer& buffer = camera.buffers[index];
  buffer.queued = false;
  allow(buffer, PROT_READ | PROT_WRITE);
  std::ifstream file(event.file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  hold(bytes.size() <= camera.length, "the plan has a picture that is larger than a buffer");
  std::memcpy(buffer.seen, bytes.data(), bytes.size());
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  about.index = event.what == "index" ? event.number : index;
  about.bytesused = event.what == "bytes" ? event.number : static_cast<std::uint32_t>(bytes.size());
  about.flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | (event.what == "spoilt" ? V4L2_BUF_FLAG_ERROR : 0);
  about.timestamp = {now.tv_sec, now.tv_nsec / 1000};
  about.length = camera.length;
  return 0;
}

int identify(v4l2_capability& about) {
  std::snprintf(reinterpret_cast<char*>(about.card), sizeof about.card, "%s", camera.card.c_str());
  about.capabilities = camera.caps | V4L2_CAP_DEVICE_CAPS | V4L2_CAP_META_CAPTURE;  // of the whole physical device
  about.device_caps = camera.caps;
  return 0;
}

}  // namespace standin

namespace edgepack::program {

using standin::camera;

int video_open(const char* path) {
  standin::hold(camera.device < 0, "it is opened a second time, and was not closed");
  if (path != camera.path || camera.away > 0) {
    camera.away -= camera.away > 0 ? 1 : 0;
    return standin::wrong(ENOENT);
  }
  if (camera.denied) return standin::wrong(EACCES);
  camera.present = true;
  camera.pix = {};
  ++camera.opened;
  return camera.device = ::open("/dev/null", O_RDWR | O_CLOEXEC);
}

int video_close(int device) {
  standin::hold(device == camera.device && device >= 0, "another device is closed");
  for (const standin::Buffer& one : camera.buffers) standin::hold(one.seen == nullptr, "closed, and a buffer is still mapped");
  camera.buffers.clear();
  camera.filling.clear();
  camera.streaming = false;
  camera.device = -1;
  return ::close(device);
}

int video_control(int device, unsigned long request, void* argument) {
  using namespace standin;
  hold(device == camera.device && device >= 0, "another device is asked");
  if (!camera.present) return wrong(ENODEV);
  switch (request) {
    case VIDIOC_QUERYCAP: return identify(as<v4l2_capability>(request, argument));
    case VIDIOC_ENUM_FMT: return enumerate(as<v4l2_fmtdesc>(request, argument));
    case VIDIOC_G_FMT: return format(as<v4l2_format>(request, argument), false);
    case VIDIOC_S_FMT: return format(as<v4l2_format>(request, argument), true);
    case VIDIOC_G_PARM: return pace(as<v4l2_streamparm>(request, argument), false);
    case VIDIOC_S_PARM: return pace(as<v4l2_streamparm>(request, argument), true);
    case VIDIOC_REQBUFS: return standin::request(as<v4l2_requestbuffers>(request, argument));
    case VIDIOC_QUERYBUF: return query(as<v4l2_buffer>(request, argument));
    case VIDIOC_QBUF: return queue(as<v4l2_buffer>(request, argument));
    case VIDIOC_DQBUF: return take(as<v4l2_buffer>(request, argument));
    case VIDIOC_STREAMON: return stream(as<int>(request, argument), true);
    case VIDIOC_STREAMOFF: return stream(as<int>(request, argument), false);
    default: return wrong(ENOTTY);
  }
}

void* video_map(int device, std::size_t length, off_t offset) {
  using namespace standin;
  hold(device == camera.device, "a buffer of another device is mapped");
  const std::size_t index = static_cast<std::size_t>(offset >> 24) - 1;
  hold(offset > 0 && (offset & 0xffffff) == 0 && index < camera.buffers.size(), "mapped at an offset that QUERYBUF did not give");
  hold(length == camera.length, "mapped with another length than QUERYBUF gave");
  Buffer& buffer = camera.buffers[index];
  hold(buffer.seen == nullptr, "a buffer is mapped twice");
  void* seen = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  buffer.seen = static_cast<unsigned char*>(seen);
  return seen;
}

int video_unmap(void* seen, std::size_t length) {
  using namespace standin;
  for (Buffer& one : camera.buffers) {
    if (one.seen != seen) continue;
    hold(length == camera.length, "unmapped with another length");
    one.seen = nullptr;
    return ::munmap(seen, length);
  }
  fault("what is unmapped is no buffer");
}

int video_wait(int device, int milliseconds) {
  using namespace standin;
  hold(device == camera.device, "another device is waited for");
  if (!camera.present) return 1;
  // As poll(2) says: a trouble at once where it does not stream, or where the driver has no buffer to fill.
  if (!camera.streaming || camera.filling.empty()) return 1;
  if (!camera.events.empty() && camera.events.front().what != "quiet") return 1;
  ::poll(nullptr, 0, milliseconds);
  return 0;
}

}  // namespace edgepack::program
