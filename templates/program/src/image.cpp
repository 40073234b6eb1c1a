#include "image.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <initializer_list>

#include "decode.hpp"
#include "file.hpp"
#include "wav.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t file_limit = 256U * 1024 * 1024;
constexpr std::size_t side_limit = 65535;

#ifndef EDGEPACK_MOST_PIXELS  // source.most_pixels in edgepack.yaml
#define EDGEPACK_MOST_PIXELS 25000000
#endif
constexpr std::size_t most_pixels = EDGEPACK_MOST_PIXELS;

/// The header of a PGM or PPM file: words between blanks, with comments from # to the line's end.
class PnmHeader {
 public:
  PnmHeader(const std::vector<unsigned char>& bytes, const std::string& path) : bytes_(bytes), path_(path) {
    if (bytes.size() < 2 || bytes[0] != 'P' || (bytes[1] != '5' && bytes[1] != '6')) {
      throw ReadError(path + ": not a binary PGM or PPM image (P5, P6)");
    }
    channels = bytes[1] == '5' ? 1 : 3;
    width = natural("width");
    height = natural("height");
    const std::size_t highest = natural("maxval");
    if (highest == 0 || highest > 255) {
      throw ReadError(path + ": maxval " + std::to_string(highest) + "; images of 8 bits a channel are read");
    }
    if (at_ >= bytes.size() || !blank(bytes[at_])) throw ReadError(path + ": its header is cut off");
    pixels_at = at_ + 1;
  }

  std::size_t width = 0, height = 0, channels = 0, pixels_at = 0;

 private:
  static bool blank(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  void skip_blanks() {
    while (at_ < bytes_.size() && (blank(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r') ++at_;
      } else {
        ++at_;
      }
    }
  }

  std::size_t natural(const char* name) {
    const std::size_t before = at_;
    skip_blanks();
    const std::size_t start = at_;
    std::size_t value = 0;
    for (; at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9'; ++at_) {
      value = value * 10 + static_cast<std::size_t>(bytes_[at_] - '0');
      if (value > side_limit) throw ReadError(path_ + ": its " + name + " is more than 65535");
    }
    if (at_ == start || start == before) throw ReadError(path_ + ": its " + name + " is not a number");
    return value;
  }

  const std::vector<unsigned char>& bytes_;
  const std::string& path_;
  std::size_t at_ = 2;
};

}  // namespace

Tensor image_tensor(const std::uint8_t* pixels, std::size_t height, std::size_t width, std::size_t channels) {
  Tensor image{{static_cast<int>(channels), static_cast<int>(height), static_cast<int>(width)}, {}};
  const std::size_t plane = height * width;
  image.data.resize(plane * channels);
  for (std::size_t c = 0; c < channels; ++c) {
    float* to = image.data.data() + c * plane;
    for (std::size_t i = 0; i < plane; ++i) to[i] = static_cast<float>(pixels[i * channels + c]);
  }
  return image;
}

void check_pixels(const std::string& name, std::size_t width, std::size_t height) {
  // By division: width x height may not fit into 32 bits.
  if (width == 0 || height == 0) throw ReadError(name + ": an image without pixels");
  if (most_pixels / width < height) {
    throw ReadError(name + ": " + std::to_string(width) + " x " + std::to_string(height) + " pixels; at most " +
                    std::to_string(most_pixels) + " are read (source.most_pixels)");
  }
}

namespace {

Tensor decode_pnm(const std::vector<unsigned char>& bytes, const std::string& name) {
  const PnmHeader header(bytes, name);
  check_pixels(name, header.width, header.height);
  const std::size_t there = bytes.size() - header.pixels_at;
  if (there / header.channels / header.width < header.height) {
    throw ReadError(name + ": cut off: " + std::to_string(there) + " bytes for " + std::to_string(header.width) + " x " +
                    std::to_string(header.height) + " pixels");
  }
  return image_tensor(bytes.data() + header.pixels_at, header.height, header.width, header.channels);
}

[[maybe_unused]] Tensor planes(const Pixels& pixels) {
  return image_tensor(pixels.bytes.data(), pixels.height, pixels.width, pixels.channels);
}

[[maybe_unused]] ReadError not_here(const std::string& name, const std::string& format, const std::string& word) {
  return ReadError(name + ": a " + format + " image, which this program was built without: add " + word +
                   " to source.formats in edgepack.yaml");
}

bool begins(const std::vector<unsigned char>& bytes, std::initializer_list<unsigned char> with) {
  return bytes.size() >= with.size() && std::equal(with.begin(), with.end(), bytes.begin());
}

}  // namespace

Tensor decode_image(const std::vector<unsigned char>& bytes, const std::string& name) {
  if (begins(bytes, {0xFF, 0xD8, 0xFF})) {
#ifdef EDGEPACK_JPEG
    return planes(decode_jpeg(bytes, name));
#else
    throw not_here(name, "JPEG", "jpeg");
#endif
  }
  if (begins(bytes, {0x89, 'P', 'N', 'G'})) {
#ifdef EDGEPACK_PNG
    return planes(decode_png(bytes, name));
#else
    throw not_here(name, "PNG", "png");
#endif
  }
  if (Wav::is_one(bytes)) return Wav(bytes, name).read();
  return decode_pnm(bytes, name);
}

Tensor read_image(const std::string& path, bool follow) {
  return decode_image(read_whole(path, file_limit, follow), path);
}

Moment now() {
  const auto seconds = [](auto since) { return std::chrono::duration<double>(since).count(); };
  return {seconds(std::chrono::steady_clock::now().time_since_epoch()),
          seconds(std::chrono::system_clock::now().time_since_epoch())};
}

Moment written_at(const std::string& path) {
  struct stat about {};
  if (stat(path.c_str(), &about) != 0) {
    const int error = errno;
    if (error == ENOENT) throw Vanished(trouble(path, error));
    throw ReadError(trouble(path, error));
  }
  const double seconds = static_cast<double>(about.st_mtim.tv_sec) + static_cast<double>(about.st_mtim.tv_nsec) * 1e-9;
  return {seconds, seconds};
}

}  // namespace edgepack::program
