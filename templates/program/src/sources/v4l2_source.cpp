#include "sources/v4l2_source.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "commands.hpp"

namespace edgepack::program {

namespace {

class V4l2Source : public Source {
 public:
  explicit V4l2Source(V4l2SourceSays says) : says_(std::move(says)) {}

  std::optional<Picture> next(std::chrono::milliseconds patience) override {
    try {
      if (!camera_) begin();
      std::optional<CameraFrame> frame = camera_->frame(patience);
      const auto now = Clock::now();
      if (frame) heard_ = now;
      if (now - heard_ > std::chrono::duration<double>(says_.silent_s)) {
        char words[64];
        std::snprintf(words, sizeof words, ": no picture has come for %g s", says_.silent_s);
        throw std::runtime_error(says_.device + words);
      }
      if (!frame || too_soon(frame->when.seconds)) return std::nullopt;
      return made(std::move(*frame));
    } catch (...) {
      camera_.reset();  // closed before it is opened again: a new one gets the same name then
      throw;
    }
  }

  std::string about() const override { return "the camera " + says_.device; }

 private:
  using Clock = std::chrono::steady_clock;

  void begin() {
    camera_ = std::make_unique<V4l2Camera>(says_);
    complain(about() + ": " + camera_->told());
    heard_ = Clock::now();
    due_ = 0;
  }

  /// By when it was taken: a camera whose pace is a little off is not halved for it.
  bool too_soon(double taken) {
    if (says_.fps <= 0) return false;
    const double period = 1 / says_.fps;
    if (taken < due_ - period / 4) return true;
    due_ = std::max(due_, taken - period / 4) + period;
    return false;
  }

  Picture made(CameraFrame frame) {
    Picture picture;
    picture.name = std::to_string(++count_);
    picture.when = frame.when;
    const auto bytes = std::make_shared<std::vector<unsigned char>>(std::move(frame.bytes));
    picture.pixels = [bytes, how = camera_->picture(), name = picture.name] { return how.read(*bytes, name); };
    return picture;
  }

  const V4l2SourceSays says_;
  std::unique_ptr<V4l2Camera> camera_;
  std::int64_t count_ = 0;
  double due_ = 0;
  Clock::time_point heard_{};
};

}  // namespace

std::unique_ptr<Source> v4l2_source(const std::string&, const V4l2SourceSays& says) { return std::make_unique<V4l2Source>(says); }

}  // namespace edgepack::program
