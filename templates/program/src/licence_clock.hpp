// The time that a licence is judged by. It does not go back: who sets a box's clock back gains nothing by it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace edgepack::program {

/// Keeps the latest time that was seen in a file, `SECONDS ISSUED`, and counts on from there by the machine's own
/// steady clock. A box without a battery, whose clock says 1970 until the network is up, is judged right too.
class LicenceClock {
 public:
  explicit LicenceClock(std::string path);

  /// Seconds since 1970: the latest of what the box's clock says (`said`), what was seen before and what has passed
  /// since, and when the licence was issued. A newer licence than the one before begins anew: the way out for a box
  /// whose clock was once far ahead.
  std::int64_t now(std::int64_t said, std::int64_t issued);

  /// By how much the box's clock was behind at the last `now`, in seconds, where that is more than an hour; else 0.
  std::int64_t behind() const { return behind_; }

  /// Writes the file. A disk that is full is no reason not to run: what cannot be written now is at the next try.
  void keep() const;

 private:
  using Steady = std::chrono::steady_clock;

  const std::string path_;
  std::int64_t seen_ = 0, issued_ = 0, behind_ = 0;
  Steady::time_point at_ = Steady::now();  // when it was `seen_`
};

}  // namespace edgepack::program
