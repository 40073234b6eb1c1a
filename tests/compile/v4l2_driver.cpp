// The camera's source over a driver that stands in for the kernel's, behind lines of words: see test_v4l2_source.py.
#include <iostream>
#include <sstream>

#include "commands.hpp"
#include "../standins/v4l2/camera.cpp"
#include "sources/v4l2_camera.cpp"
#include "sources/v4l2_source.cpp"

void edgepack::program::complain(const std::string& line) { std::cerr << line << std::endl; }

namespace {

using namespace edgepack;
using namespace edgepack::program;

std::unique_ptr<Source> source;

/// What callers do wrong: each must end the process.
void wrong(const std::string& how) {
  const int device = video_open("/dev/video0");
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  v4l2_buffer buffer{};
  buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  buffer.memory = V4L2_MEMORY_MMAP;
  if (how == "twice-open") video_open("/dev/video0");
  if (how == "stream-first") video_control(device, VIDIOC_STREAMON, &type);
  if (how == "take-first") video_control(device, VIDIOC_DQBUF, &buffer);
  v4l2_format format{};
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  format.fmt.pix.width = format.fmt.pix.height = 2;
  format.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
  if (how != "no-format") video_control(device, VIDIOC_S_FMT, &format);
  v4l2_requestbuffers wanted{};
  wanted.count = 2;
  wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  wanted.memory = V4L2_MEMORY_MMAP;
  if (how == "reserved") wanted.reserved[0] = 1;
  video_control(device, VIDIOC_REQBUFS, &wanted);
  video_control(device, VIDIOC_QUERYBUF, &buffer);
  if (how == "unmapped-queue") video_control(device, VIDIOC_QBUF, &buffer);
  if (how == "length") video_map(device, buffer.length - 1, buffer.m.offset);
  if (how == "offset") video_map(device, buffer.length, 7);
  auto* seen = static_cast<unsigned char*>(video_map(device, buffer.length, buffer.m.offset));
  if (how == "twice-map") video_map(device, buffer.length, buffer.m.offset);
  if (how == "close-mapped") video_close(device);
  v4l2_buffer given{};
  given.type = buffer.type;
  given.memory = buffer.memory;
  if (how == "flags") given.flags = 1;
  video_control(device, VIDIOC_QBUF, &given);
  if (how == "twice-queue") video_control(device, VIDIOC_QBUF, &given);
  if (how == "read-queued") std::cerr << static_cast<int>(seen[0]);
  video_unmap(seen, buffer.length);
  if (how == "twice-unmap") video_unmap(seen, buffer.length);
}

std::string asked(const std::string& what, std::istream& words) {
  Json json;
  if (what == "plan") {
    std::string file;
    words >> file;
    source.reset();
    standin::camera = {};
    standin::plan(file);
    return "true";
  }
  if (what == "open") {
    V4l2SourceSays says{"/dev/video0", "", 0, 0, 0, 0};
    words >> says.format >> says.width >> says.height >> says.fps >> says.silent_s;
    source = v4l2_source("", says);
    return "true";
  }
  if (what == "next") {
    int patience = 0;
    words >> patience;
    std::optional<Picture> picture = source->next(std::chrono::milliseconds(patience));
    if (!picture) return "null";
    const Tensor pixels = picture->pixels();
    json.open('{').key("name").string(picture->name).key("age").number(now().utc - picture->when.utc);
    json.key("shape").array(std::vector<std::int64_t>(pixels.shape.begin(), pixels.shape.end()));
    return json.key("pixels").array(pixels.data).close('}').text();
  }
  if (what == "fps") return json.number(standin::camera.fps).text();
  if (what == "opened") return json.integer(standin::camera.opened).text();
  if (what == "close") {
    source.reset();
    return json.string(standin::left()).text();
  }
  if (what == "wrong") {
    std::string how;
    words >> how;
    wrong(how);
    return "true";
  }
  throw std::runtime_error("what is " + what);
}

}  // namespace

int main() {
  std::string question;
  while (std::getline(std::cin, question)) {
    std::istringstream words(question);
    std::string what;
    words >> what;
    try {
      std::cout << asked(what, words) << std::endl;
    } catch (const std::exception& error) {
      std::cout << Json().open('{').key("error").string(error.what()).close('}').text() << std::endl;
    }
  }
}
