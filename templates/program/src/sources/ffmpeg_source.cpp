#include "sources/ffmpeg_source.hpp"

#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <utility>

#include "decode.hpp"
#include "image.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t longest_header = 64;

class Ffmpeg : public Streaming {
 public:
  explicit Ffmpeg(FfmpegSourceSays says) : says_(std::move(says)) {}

  std::string name() const override { return "ffmpeg"; }

  std::vector<std::string> words(const std::string& input) const override {
    std::vector<std::string> words{"-hide_banner", "-nostdin", "-loglevel", "error"};
    const auto add = [&words](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
    if (input.compare(0, 7, "rtsp://") == 0) add({"-rtsp_transport", says_.transport});
    if (!says_.decoder.empty()) add({"-c:v", says_.decoder});  // of the input: before it
    add({"-i", input, "-an", "-sn", "-dn"});
    if (says_.fps > 0) {
      char rate[48];
      std::snprintf(rate, sizeof rate, "fps=%.6g", says_.fps);
      add({"-vf", rate});
    }
    add({"-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"});
    return words;
  }

  std::string trouble(const std::string& words) const override { return last_line(words); }

  /// How many bytes the first picture in `stream` has, with its header; 0 where that cannot be told yet. What ffmpeg
  /// writes and nothing else: P6, two sizes, 255. Throws std::runtime_error for junk, ReadError for too many pixels.
  std::size_t first_picture(const std::string& stream) const override {
    std::size_t ends = 0;  // of the third line
    for (int line = 0; line < 3; ++line) {
      ends = stream.find('\n', ends);
      if (ends == std::string::npos || ends > longest_header) {
        if (stream.size() > longest_header) throw std::runtime_error("it sends no pictures");
        return 0;
      }
      ++ends;
    }
    unsigned long width = 0, height = 0;
    int rest = 0;
    const std::string head = stream.substr(0, ends);
    const bool odd = head.find_first_not_of("P0123456789 \n") != std::string::npos;
    if (odd || std::sscanf(head.c_str(), "P6\n%9lu %9lu\n255%n", &width, &height, &rest) != 2 || rest + 1 != static_cast<int>(ends)) {
      throw std::runtime_error("it sends no pictures");
    }
    check_pixels("a picture of the stream", width, height);
    return ends + static_cast<std::size_t>(width) * height * 3;
  }

  Tensor read(const std::vector<unsigned char>& bytes, const std::string& name) const override { return decode_image(bytes, name); }

 private:
  const FfmpegSourceSays says_;
};

}  // namespace

std::unique_ptr<Source> ffmpeg_source(const std::string& data, const FfmpegSourceSays& says) {
  return child_source(data, says.stream, std::make_unique<Ffmpeg>(says));
}

}  // namespace edgepack::program
