// DIR/status.json: what the app does, told at least each second.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace edgepack::program {

/// Written from a thread of its own, so that it is told also while one image takes long.
class Status {
 public:
  using Clock = std::chrono::steady_clock;

  /// Writes the first one. A disk that is full is no reason not to answer: what cannot be written now
  /// is written at the next try.
  Status(std::string path, std::string release);
  /// Writes the last one.
  ~Status();
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  /// What one image is expected to take, shown as `fps` until the first one is answered.
  void expect(Clock::duration each);
  /// One image was answered; `took` is from its reading to its answer in the sink.
  void answered(Clock::duration took);
  /// Something went wrong; `words` is shown until an image is answered.
  void failed(const std::string& words);

 private:
  struct Count {
    std::int64_t frames = 0;
    Clock::duration busy{};
  };

  void loop();
  void write();
  std::string text();
  double fps();

  const std::string path_, release_;
  const Clock::time_point started_ = Clock::now();
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stop_ = false;
  Clock::duration expected_{};
  Count total_;
  std::deque<Count> recent_;  // `total_` as it was at the last writes
  std::int64_t errors_ = 0;
  std::string error_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace edgepack::program
