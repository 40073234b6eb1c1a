#include "sources/gstreamer_source.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <utility>

#include "decode.hpp"

namespace edgepack::program {

namespace {

bool starts(const std::string& text, const char* with) { return text.compare(0, std::strlen(with), with) == 0; }

/// A URL as one word of gst-launch's language: what has a meaning there, or in a URL's path, is written as %XX.
std::string quoted_url(const std::string& text, bool path) {
  std::string url;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const char* const signs = path ? "/._-~" : "/._-~:?&=%@+$*[]#";
    if (plain || std::strchr(signs, c) != nullptr) {
      url += c;
    } else {
      char code[8];
      std::snprintf(code, sizeof code, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      url += code;
    }
  }
  return url;
}

class Gstreamer : public Streaming {
 public:
  explicit Gstreamer(GstreamerSourceSays says)
      : says_(std::move(says)),
        // Rows begin at multiples of four bytes (GStreamer, "Raw Video Media Types").
        stride_((static_cast<std::size_t>(says_.width) * 3 + 3) / 4 * 4) {
    check_pixels("source.width and source.height", static_cast<std::size_t>(says_.width), static_cast<std::size_t>(says_.height));
  }

  std::string name() const override { return "GStreamer"; }

  std::vector<std::string> words(const std::string& input) const override {
    std::vector<std::string> words{"-q"};
    const auto add = [&words](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
    const bool camera = starts(input, "/dev/"), stream = input.find("://") != std::string::npos;
    if (camera) {
      add({"v4l2src", "device=" + quoted_url(input, true), "!", "decodebin"});
    } else if (stream) {
      add({"uridecodebin", "uri=" + quoted_url(by_transport(input), false)});
    } else {
      add({"uridecodebin", "uri=file://" + quoted_url(input, true)});
    }
    // Who is slower than a camera sees the newest picture; of a file none is lost.
    if (camera || stream) add({"!", "queue", "leaky=downstream", "max-size-buffers=2"});
    if (!says_.converter.empty()) add({"!", says_.converter, "!", "video/x-raw"});
    if (says_.fps > 0) {
      const std::string rate = std::to_string(std::lround(says_.fps * 1000)) + "/1000";
      add({"!", "videorate", "drop-only=true", "!", "video/x-raw,framerate=" + rate});
    }
    add({"!", "videoconvert", "!", "videoscale", "!",
         "video/x-raw,format=RGB,width=" + std::to_string(says_.width) + ",height=" + std::to_string(says_.height), "!", "fdsink", "fd=1",
         "sync=false"});
    return words;
  }

  std::vector<std::string> environment() const override {
    if (says_.decoder.empty()) return {};
    return {"GST_PLUGIN_FEATURE_RANK=" + says_.decoder + ":MAX"};
  }

  /// Its first error says why, and the last of the lines that belong to it more closely; those after it what came of it.
  std::string trouble(const std::string& words) const override {
    const std::string error = "ERROR: from element ", wrong = "WARNING: erroneous pipeline: ";
    const std::size_t at = words.find(error), other = words.find(wrong);
    if (at == std::string::npos) return last_line(other == std::string::npos ? words : words.substr(other + wrong.size(), words.find('\n', other) - other - wrong.size()));
    const std::string all = words.substr(at, words.find("\nERROR: ", at) - at);
    const std::size_t end = std::min(all.find('\n'), all.size());
    const std::size_t said = all.find(": ", error.size());  // behind the element's place
    const std::string first = last_line(said < end ? all.substr(said + 2, end - said - 2) : all.substr(0, end));
    return end == all.size() ? first : first + " " + last_line(all.substr(end));
  }

  std::size_t first_picture(const std::string&) const override { return stride_ * static_cast<std::size_t>(says_.height); }

  Tensor read(const std::vector<unsigned char>& bytes, const std::string&) const override {
    const std::size_t height = static_cast<std::size_t>(says_.height), width = static_cast<std::size_t>(says_.width), plane = height * width;
    Tensor image{{3, says_.height, says_.width}, std::vector<float>(plane * 3)};
    for (std::size_t row = 0; row < height; ++row) {
      const unsigned char* from = bytes.data() + row * stride_;
      float* to = image.data.data() + row * width;
      for (std::size_t x = 0; x < width; ++x, from += 3, ++to) {
        for (std::size_t c = 0; c < 3; ++c) to[c * plane] = static_cast<float>(from[c]);
      }
    }
    return image;
  }

 private:
  /// GStreamer knows them as protocols: rtspt:// and rtspu://.
  std::string by_transport(const std::string& url) const {
    if (!starts(url, "rtsp://")) return url;
    return (says_.transport == "udp" ? "rtspu" : "rtspt") + url.substr(4);
  }

  const GstreamerSourceSays says_;
  const std::size_t stride_;
};

}  // namespace

std::unique_ptr<Source> gstreamer_source(const std::string& data, const GstreamerSourceSays& says) {
  return child_source(data, says.stream, std::make_unique<Gstreamer>(says));
}

}  // namespace edgepack::program
