#include <memory>

#define SPNG_STATIC
#include <spng.h>

#include "decode.hpp"
#include "file.hpp"

namespace edgepack::program {

namespace {

constexpr std::uint32_t png_side_limit = 65535;
constexpr std::size_t chunk_limit = 1U << 20U;  // of what is no pixels: text, colour profiles
constexpr std::size_t chunks_limit = 4U << 20U;

using Context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

void held(int error, const std::string& name) {
  if (error != 0) throw ReadError(name + ": a PNG image that cannot be read: " + spng_strerror(error));
}

/// Of each pixel its first byte alone: of 16 bits, which come big-endian, the upper eight; of gray with
/// transparency the gray. In place.
void first_bytes(std::vector<std::uint8_t>& bytes, std::size_t pixels, std::size_t stride) {
  for (std::size_t i = 0; i < pixels; ++i) bytes[i] = bytes[i * stride];
  bytes.resize(pixels);
}

}  // namespace

Pixels decode_png(const std::vector<unsigned char>& file, const std::string& name) {
  const Context png(spng_ctx_new(0), spng_ctx_free);
  if (png == nullptr) throw ReadError(name + ": no memory for a PNG image");
  held(spng_set_image_limits(png.get(), png_side_limit, png_side_limit), name);
  held(spng_set_chunk_limits(png.get(), chunk_limit, chunks_limit), name);
  held(spng_set_png_buffer(png.get(), file.data(), file.size()), name);
  spng_ihdr about{};
  held(spng_get_ihdr(png.get(), &about), name);
  check_pixels(name, about.width, about.height);

  const bool gray = about.color_type == SPNG_COLOR_TYPE_GRAYSCALE || about.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
  const bool narrow = about.color_type == SPNG_COLOR_TYPE_GRAYSCALE && about.bit_depth <= 8;
  const int format = !gray ? SPNG_FMT_RGB8 : narrow ? SPNG_FMT_G8 : SPNG_FMT_RAW;
  Pixels pixels{about.height, about.width, gray ? 1U : 3U, {}};
  const std::size_t count = pixels.height * pixels.width;
  const std::size_t alpha = about.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ? 2 : 1;
  const std::size_t stride = !gray ? 3 : narrow ? 1 : alpha * (about.bit_depth / 8U);
  std::size_t size = 0;
  held(spng_decoded_image_size(png.get(), format, &size), name);
  if (size != count * stride) throw ReadError(name + ": a PNG image of a size that is not its own");
  pixels.bytes.resize(size);
  held(spng_decode_image(png.get(), pixels.bytes.data(), size, format, 0), name);
  if (stride > 1 && gray) first_bytes(pixels.bytes, count, stride);
  return pixels;
}

}  // namespace edgepack::program
