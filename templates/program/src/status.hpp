// DIR/status.json: what the app does, told at least each second.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "json.hpp"
#include "licence.hpp"
#include "sink.hpp"
#include "stage.hpp"

namespace edgepack::program {

/// Written from a thread of its own, so that it is told also while one image takes long.
class Status {
 public:
  using Clock = std::chrono::steady_clock;

  /// Writes the first one. A disk that is full is no reason not to answer: what cannot be written now
  /// is written at the next try. licence: asked for how the app's stands, for as long as this lives.
  Status(std::string path, std::string release, std::function<Licensed()> licence);
  /// Writes the last one.
  ~Status();
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  /// What one image is expected to take, shown as `fps` until the first one is answered.
  void expect(Clock::duration each);
  /// One image was answered, which took so long.
  void answered(Clock::duration took);

  /// For those who work at several images at once: one has come in; it was answered; it left in another way.
  void entered();
  void answered();
  void gone(bool dropped);

  /// Something went wrong; `words` is shown until an image is answered.
  /// lasts: it is more than this one image.
  void failed(const std::string& words, bool lasts = true);

  /// All of it, in Prometheus' text format.
  std::string prometheus();
  /// What has gone wrong and lasts; empty where nothing has, or an image was answered since.
  std::string trouble();

  /// One stage of several, and how many images wait before it.
  struct Watched {
    const Stage* stage;
    std::function<std::size_t()> waiting;
    std::size_t depth;
  };
  /// Tells of these too, from now on until `forget`; in the order in which an image passes them.
  void watch(std::vector<Watched> stages);
  /// A sink that hands answers on to a peer.
  struct Sending {
    std::string to;
    std::function<Sent()> how;
  };
  void watch_sinks(std::vector<Sending> sinks);
  void forget();

  /// Now, besides each second.
  void write();

 private:
  struct Count {
    std::int64_t frames = 0;
    Clock::duration busy{};
    Clock::time_point when{};
    std::vector<Stage::Count> stages{};
  };

  void loop();
  void leave_one();
  Count now() const;
  void tell_stages(Json& json, const Count& now) const;
  void tell_sinks(Json& json) const;
  void tell_licence(Json& json) const;
  std::string text();
  double fps(const Count& now) const;

  const std::string path_, release_;
  const std::function<Licensed()> licence_;
  const Clock::time_point started_ = Clock::now();
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stop_ = false;
  Clock::duration expected_{};
  Count total_;
  std::int64_t under_way_ = 0, dropped_ = 0;
  Clock::time_point busy_since_{};   // where something is under way
  std::vector<Watched> watched_;
  std::vector<Sending> sinks_;
  std::deque<Count> recent_;         // what `now` gave at the last writes at which there was work
  std::int64_t errors_ = 0;
  std::string error_, trouble_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace edgepack::program
