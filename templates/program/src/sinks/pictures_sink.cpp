#include "sinks/pictures_sink.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <mutex>
#include <utility>

#include "commands.hpp"
#include "json.hpp"
#include "sinks/draw.hpp"
#include "sinks/picture_file.hpp"
#include "sinks/ring.hpp"

namespace edgepack::program {

namespace {

/// "door 0.93 #7"
std::string words_of(const Detection& found) {
  char score[32];
  std::snprintf(score, sizeof score, " %.2f", static_cast<double>(found.score));
  std::string words = (found.name.empty() ? std::to_string(found.kind) : found.name) + score;
  if (found.track > 0) words += " #" + std::to_string(found.track);
  return words;
}

class PicturesSink : public Sink {
 public:
  PicturesSink(const std::string& data, PicturesSays says)
      : says_(std::move(says)), ring_(data + "/" + says_.path, static_cast<std::size_t>(says_.keep_mb) << 20U) {}

  std::string put(const Answered& answer) override {
    if (says_.found && answer.record.detections().empty()) return "";
    const auto now = std::chrono::steady_clock::now();
    if (says_.fps > 0 && now < next_) return "";
    if (says_.fps > 0) {
      next_ = now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(1 / says_.fps));
    }
    std::string problem;
    try {
      const Pixels drawn = draw(answer);
      problem = ring_.put(answer.record.when().utc, {{picture_ending(drawn, says_.format), picture_file(drawn, says_.format)}});
    } catch (const std::exception& error) {
      problem = says_.path + ": " + answer.name + ": " + error.what();
    }
    done(problem);
    return "";
  }

  bool wants_picture() const override { return true; }
  std::string about() const override { return says_.path; }

  std::optional<Sent> state() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return Sent{kept_, 0, 0, trouble_};
  }

 private:
  Pixels draw(const Answered& answer) const {
    Pixels picture = coloured(pixels_of(*answer.picture));
    const int size = std::max(1, static_cast<int>(std::min(picture.width, picture.height) / 360));
    for (const Detection& found : answer.record.detections()) {
      draw_box(picture, found.x0, found.y0, found.x1, found.y1, 2 * size, colour_of(found.kind));
    }
    // Words last: a box must not cross what was written of another one.
    for (const Detection& found : answer.record.detections()) {
      draw_words(picture, found.x0, static_cast<double>(found.y0) - 9 * size, words_of(found), size, colour_of(found.kind));
    }
    double at = 0;
    for (const std::string& field : says_.show) {
      const Record::Value* value = answer.record.find(field);
      if (value == nullptr) continue;
      draw_words(picture, 0, at, field + ": " + Json().value(*value).text(), size, {0, 0, 0});
      at += 9 * size;
    }
    return picture;
  }

  void done(const std::string& problem) {
    bool told = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      told = problem == trouble_;
      trouble_ = problem;
      if (problem.empty()) ++kept_;
    }
    if (!told && !problem.empty()) complain(problem);
  }

  const PicturesSays says_;
  Ring ring_;
  std::chrono::steady_clock::time_point next_{};
  mutable std::mutex mutex_;
  std::int64_t kept_ = 0;
  std::string trouble_;
};

}  // namespace

std::unique_ptr<Sink> pictures_sink(const std::string& data, const PicturesSays& says) {
  return std::make_unique<PicturesSink>(data, says);
}

}  // namespace edgepack::program
