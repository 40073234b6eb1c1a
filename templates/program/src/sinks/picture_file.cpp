#include "sinks/picture_file.hpp"

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#ifdef EDGEPACK_JPEG
#include <jpeglib.h>
#endif
#ifdef EDGEPACK_PNG
#include <spng.h>
#endif

namespace edgepack::program {

namespace {

#ifdef EDGEPACK_JPEG
struct JpegTrouble {
  jpeg_error_mgr base;  // first: libjpeg knows only this
  std::jmp_buf back;
};

/// Into memory of malloc's, for the caller to free; false on failure. Nothing with a destructor lives here: libjpeg's
/// errors come by longjmp.
bool write_jpeg(const Pixels& pixels, unsigned char** bytes, unsigned long* size) {
  jpeg_compress_struct jpeg{};
  JpegTrouble wrong{};
  jpeg.err = jpeg_std_error(&wrong.base);
  wrong.base.error_exit = [](j_common_ptr one) { std::longjmp(reinterpret_cast<JpegTrouble*>(one->err)->back, 1); };
  if (setjmp(wrong.back) != 0) {
    jpeg_destroy_compress(&jpeg);
    return false;
  }
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, bytes, size);
  jpeg.image_width = static_cast<JDIMENSION>(pixels.width);
  jpeg.image_height = static_cast<JDIMENSION>(pixels.height);
  jpeg.input_components = static_cast<int>(pixels.channels);
  jpeg.in_color_space = pixels.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 90, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    auto* row = const_cast<JSAMPROW>(pixels.bytes.data() + jpeg.next_scanline * pixels.width * pixels.channels);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  return true;
}

std::string jpeg_file(const Pixels& pixels) {
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const bool written = write_jpeg(pixels, &bytes, &size);
  std::string file(reinterpret_cast<char*>(bytes), written ? size : 0);
  std::free(bytes);
  if (!written) throw std::runtime_error("the picture cannot be written as JPEG");
  return file;
}
#endif

#ifdef EDGEPACK_PNG
std::string png_file(const Pixels& pixels) {
  spng_ctx* png = spng_ctx_new(SPNG_CTX_ENCODER);
  if (png == nullptr) throw std::bad_alloc();
  spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
  spng_ihdr head{};
  head.width = static_cast<std::uint32_t>(pixels.width);
  head.height = static_cast<std::uint32_t>(pixels.height);
  head.bit_depth = 8;
  head.color_type = pixels.channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR;
  spng_set_ihdr(png, &head);
  int wrong = spng_encode_image(png, pixels.bytes.data(), pixels.bytes.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
  std::size_t size = 0;
  void* bytes = wrong == 0 ? spng_get_png_buffer(png, &size, &wrong) : nullptr;
  const std::string file(static_cast<char*>(bytes), bytes == nullptr ? 0 : size);
  std::free(bytes);
  spng_ctx_free(png);
  if (file.empty()) throw std::runtime_error(std::string("the picture cannot be written as PNG: ") + spng_strerror(wrong));
  return file;
}
#endif

}  // namespace

Pixels pixels_of(const Tensor& picture) {
  const std::vector<int>& shape = picture.shape;
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3)) throw std::invalid_argument("not a picture, gray or in colour");
  Pixels pixels{static_cast<std::size_t>(shape[1]), static_cast<std::size_t>(shape[2]), static_cast<std::size_t>(shape[0]), {}};
  const std::size_t plane = pixels.height * pixels.width;
  if (plane == 0 || picture.data.size() != plane * pixels.channels) throw std::invalid_argument("a picture without its pixels");
  pixels.bytes.resize(picture.data.size());
  for (std::size_t c = 0; c < pixels.channels; ++c) {
    for (std::size_t i = 0; i < plane; ++i) {
      const float value = picture.data[c * plane + i];
      pixels.bytes[i * pixels.channels + c] =
          static_cast<std::uint8_t>(std::isfinite(value) ? std::clamp(std::round(value), 0.0F, 255.0F) : 0.0F);
    }
  }
  return pixels;
}

std::string picture_file(const Pixels& pixels, const std::string& format) {
#ifdef EDGEPACK_JPEG
  if (format == "jpeg") return jpeg_file(pixels);
#endif
#ifdef EDGEPACK_PNG
  if (format == "png") return png_file(pixels);
#endif
  if (format != "pnm") throw std::runtime_error("this program does not write " + format);
  return std::string(pixels.channels == 1 ? "P5" : "P6") + "\n" + std::to_string(pixels.width) + " " +
         std::to_string(pixels.height) + "\n255\n" + std::string(pixels.bytes.begin(), pixels.bytes.end());
}

std::string picture_ending(const Pixels& pixels, const std::string& format) {
  if (format == "pnm") return pixels.channels == 1 ? ".pgm" : ".ppm";
  return format == "jpeg" ? ".jpg" : ".png";
}

}  // namespace edgepack::program
