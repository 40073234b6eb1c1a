#include "sinks/pictures_sink.hpp"

#include <chrono>
#include <exception>
#include <mutex>
#include <utility>

#include "commands.hpp"
#include "sinks/annotate.hpp"
#include "sinks/picture_file.hpp"
#include "sinks/ring.hpp"

namespace edgepack::program {

namespace {

class PicturesSink : public Sink {
 public:
  PicturesSink(const std::string& data, PicturesSays says)
      : says_(std::move(says)), ring_(data + "/" + says_.path, static_cast<std::uint64_t>(says_.keep_mb) << 20U) {}

  std::string put(const Answered& answer) override {
    if (says_.found && answer.record.detections().empty()) return "";
    const auto now = std::chrono::steady_clock::now();
    if (says_.fps > 0 && now < next_) return "";
    if (says_.fps > 0) {
      next_ = now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(1 / says_.fps));
    }
    std::string problem;
    try {
      const Pixels drawn = annotated(answer, says_.show);
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
