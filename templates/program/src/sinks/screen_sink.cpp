#include "sinks/screen_sink.hpp"

#include <chrono>
#include <exception>
#include <mutex>
#include <utility>

#include "commands.hpp"
#include "sinks/annotate.hpp"
#include "sinks/frame_buffer.hpp"

namespace edgepack::program {

namespace {

constexpr std::chrono::seconds look_again{2};

class ScreenSink : public Sink {
 public:
  explicit ScreenSink(ScreenSays says) : says_(std::move(says)) {}

  std::string put(const Answered& answer) override {
    const auto now = Clock::now();
    if (now < next_) return "";
    next_ = now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / says_.fps));
    std::string problem;
    try {
      if (!screen_) screen_ = std::make_unique<FrameBuffer>(says_.device);
      screen_->show(annotated(answer, says_.show));
    } catch (const ReadError& error) {
      problem = error.what();
      next_ = now + look_again;
    } catch (const std::exception& error) {
      problem = says_.device + ": " + answer.name + ": " + error.what();
    }
    done(problem);
    return "";
  }

  bool wants_picture() const override { return true; }
  std::string about() const override { return says_.device; }

  std::optional<Sent> state() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return Sent{shown_, 0, 0, trouble_};
  }

 private:
  using Clock = std::chrono::steady_clock;

  void done(const std::string& problem) {
    bool told = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      told = std::exchange(trouble_, problem) == problem;
      if (problem.empty()) ++shown_;
    }
    if (!told && !problem.empty()) complain(problem);
  }

  const ScreenSays says_;
  std::unique_ptr<FrameBuffer> screen_;
  Clock::time_point next_{};
  mutable std::mutex mutex_;
  std::int64_t shown_ = 0;
  std::string trouble_;
};

}  // namespace

std::unique_ptr<Sink> screen_sink(const std::string&, const ScreenSays& says) { return std::make_unique<ScreenSink>(says); }

}  // namespace edgepack::program
