// How one stage of the program goes: how long it works at each picture, and whether it has come to a halt.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "edgepack/source.h"
#include "recent.hpp"

namespace edgepack::program {

/// One thread works in it; others look.
class Stage {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Stage(std::string name) : name_(std::move(name)), recent_(recents.claim(name_.c_str())) {}
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  /// Work at one picture, from here to the end of the scope. counted: false for waiting, which may not last for
  /// ever either.
  class Working {
   public:
    Working(Stage& stage, const Picture& picture, bool counted = true)
        : stage_(stage), began_(Clock::now()), counted_(counted) {
      const std::lock_guard<std::recursive_mutex> lock(stage_.mutex_);
      stage_.at_ = &picture;
      stage_.since_ = began_;
      if (counted_) stage_.recent_.begin();
    }
    Working(const Working&) = delete;
    Working& operator=(const Working&) = delete;
    ~Working() {
      const auto now = Clock::now();
      const std::lock_guard<std::recursive_mutex> lock(stage_.mutex_);
      if (counted_) {
        stage_.recent_.took(now - began_);
        stage_.so_far_.busy += now - began_;
        ++stage_.so_far_.pictures;
      }
      stage_.at_ = nullptr;
    }

    /// It goes on: it waits for a disk, say, and is not stuck.
    void alive() {
      const auto now = Clock::now();
      const std::lock_guard<std::recursive_mutex> lock(stage_.mutex_);
      stage_.since_ = now;
    }

   private:
    Stage& stage_;
    const Clock::time_point began_;
    const bool counted_;
  };

  struct Count {
    std::int64_t pictures = 0;
    Clock::duration busy{};
  };

  const std::string& name() const { return name_; }

  Count so_far() const {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    return so_far_;
  }

  /// Calls `then(picture)` where it has been at one picture for longer than that; the stage cannot leave it then.
  template <class Then>
  void stuck_for(Clock::duration limit, Then then) const {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    if (at_ != nullptr && Clock::now() - since_ > limit) then(*at_);
  }

 private:
  const std::string name_;
  mutable std::recursive_mutex mutex_;  // who is told of a stuck one may ask for `so_far`
  const Picture* at_ = nullptr;
  Clock::time_point since_{};
  Count so_far_;
  Recent& recent_;
};

}  // namespace edgepack::program
