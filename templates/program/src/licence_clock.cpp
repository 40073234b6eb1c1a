#include "licence_clock.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "file.hpp"

namespace edgepack::program {

namespace {

constexpr std::int64_t tolerated_s = 60 * 60;

}  // namespace

LicenceClock::LicenceClock(std::string path) : path_(std::move(path)) {
  try {
    const auto bytes = read_whole(path_, 64, false);
    const std::string text(bytes.begin(), bytes.end());
    long long seen = 0, issued = 0;
    if (std::sscanf(text.c_str(), "%15lld %15lld", &seen, &issued) == 2 && seen > 0 && issued >= 0) {
      seen_ = seen;
      issued_ = issued;
    }
  } catch (const ReadError&) {
    // None yet.
  }
}

std::int64_t LicenceClock::now(std::int64_t said, std::int64_t issued) {
  const auto steady = Steady::now();
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(steady - at_).count();
  if (issued > issued_) {
    issued_ = issued;
    seen_ = issued;
    at_ = steady;
  }
  const std::int64_t least = std::max(seen_, issued) + (at_ == steady ? 0 : passed);
  behind_ = least - said > tolerated_s ? least - said : 0;
  if (said > least) {
    seen_ = said;
    at_ = steady;
  }
  return std::max(said, least);
}

void LicenceClock::keep() const {
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(Steady::now() - at_).count();
  static_cast<void>(replace_file(path_, std::to_string(seen_ + passed) + " " + std::to_string(issued_) + "\n"));
}

}  // namespace edgepack::program
