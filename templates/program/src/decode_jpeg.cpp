#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

#include "decode.hpp"
#include "file.hpp"

namespace edgepack::program {

namespace {

// A progressive file says as often as it likes that its pixels get better, and each time costs all of them.
constexpr int most_scans = 100;

/// libjpeg's state of one image. libjpeg is C: its errors come by longjmp, so nothing with a destructor lives
/// in a function that it may leave.
class JpegFile {
 public:
  explicit JpegFile(const std::vector<unsigned char>& file) : file_(file) {
    jpeg_.err = jpeg_std_error(&trouble_.base);
    trouble_.base.error_exit = [](j_common_ptr jpeg) {
      auto* self = reinterpret_cast<Trouble*>(jpeg->err);
      (*jpeg->err->format_message)(jpeg, self->words);
      std::longjmp(self->back, 1);
    };
    trouble_.base.emit_message = [](j_common_ptr jpeg, int level) {
      if (level >= 0) return;
      const int code = jpeg->err->msg_code;
      // Bytes between markers, and words about versions: the pixels are whole.
      if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM) return;
      (*jpeg->err->error_exit)(jpeg);
    };
    progress_.progress_monitor = [](j_common_ptr jpeg) {
      if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= most_scans) return;
      auto* self = reinterpret_cast<Trouble*>(jpeg->err);
      std::snprintf(self->words, sizeof self->words, "more than %d scans", most_scans);
      std::longjmp(self->back, 1);
    };
  }
  ~JpegFile() { jpeg_destroy_decompress(&jpeg_); }
  JpegFile(const JpegFile&) = delete;
  JpegFile& operator=(const JpegFile&) = delete;

  /// Empty, or what is wrong with the file.
  const char* header() {
    if (setjmp(trouble_.back) != 0) return trouble_.words;
    jpeg_create_decompress(&jpeg_);
    jpeg_.progress = &progress_;
    jpeg_mem_src(&jpeg_, file_.data(), static_cast<unsigned long>(file_.size()));
    jpeg_read_header(&jpeg_, TRUE);
    if (jpeg_.num_components != 1 && jpeg_.num_components != 3) return "neither gray nor of three colours (CMYK?)";
    jpeg_.out_color_space = jpeg_.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_.dct_method = JDCT_ISLOW;  // the same bits on every processor
    return "";
  }

  /// All rows, into height x width x channels bytes. Empty, or what is wrong with the file.
  const char* rows(std::uint8_t* to) {
    if (setjmp(trouble_.back) != 0) return trouble_.words;
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW row = to + static_cast<std::size_t>(jpeg_.output_scanline) * width() * channels();
      jpeg_read_scanlines(&jpeg_, &row, 1);
    }
    jpeg_finish_decompress(&jpeg_);
    return "";
  }

  std::size_t width() const { return jpeg_.image_width; }
  std::size_t height() const { return jpeg_.image_height; }
  std::size_t channels() const { return static_cast<std::size_t>(jpeg_.num_components); }

 private:
  struct Trouble {
    jpeg_error_mgr base;  // first: libjpeg knows only this
    std::jmp_buf back;
    char words[JMSG_LENGTH_MAX] = "";
  };

  const std::vector<unsigned char>& file_;
  jpeg_decompress_struct jpeg_{};
  jpeg_progress_mgr progress_{};
  Trouble trouble_{};
};

}  // namespace

Pixels decode_jpeg(const std::vector<unsigned char>& file, const std::string& name) {
  JpegFile jpeg(file);
  std::string wrong = jpeg.header();
  if (!wrong.empty()) throw ReadError(name + ": a JPEG image that cannot be read: " + wrong);
  check_pixels(name, jpeg.width(), jpeg.height());
  Pixels pixels{jpeg.height(), jpeg.width(), jpeg.channels(), {}};
  pixels.bytes.resize(pixels.height * pixels.width * pixels.channels);
  wrong = jpeg.rows(pixels.bytes.data());
  if (!wrong.empty()) throw ReadError(name + ": a damaged JPEG image: " + wrong);
  return pixels;
}

}  // namespace edgepack::program
