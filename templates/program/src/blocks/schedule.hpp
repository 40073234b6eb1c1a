// schedule: {name, days, start, end, utc_offset}: whether it is a time of the week.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

#include "blocks/rules.hpp"

namespace edgepack::blocks {

/// By a fixed offset to UTC, or by the box's own time, which knows of summer where the box does.
class Schedule {
 public:
  /// days: "mon" to "sun". start, end: "08:30"; an end that is not after the start is on the next day, and
  /// the night belongs to the day it begins on. utc_offset: "+02:00", or empty for the box's own time.
  Schedule(std::string name, const std::vector<std::string>& days, const std::string& start, const std::string& end,
           const std::string& utc_offset)
      : name_(std::move(name)), start_(minutes(start)), end_(minutes(end)), own_time_(utc_offset.empty()) {
    static const std::array<const char*, 7> known{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    for (std::size_t day = 0; day < known.size(); ++day) {
      days_[day] = std::find(days.begin(), days.end(), known[day]) != days.end();
    }
    if (!own_time_) offset_ = (utc_offset[0] == '-' ? -60 : 60) * minutes(utc_offset.substr(1));
  }

  /// Sets `name`: whether the picture was taken in that time.
  void look(Record& record) const { record.set(name_, holds(record.when().utc)); }

 private:
  static int minutes(const std::string& clock) {
    const auto digit = [&](std::size_t at) { return at < clock.size() && clock[at] >= '0' && clock[at] <= '9' ? clock[at] - '0' : -1; };
    if (clock.size() != 5 || clock[2] != ':' || std::min({digit(0), digit(1), digit(3), digit(4)}) < 0) {
      throw std::invalid_argument("`schedule`: " + clock + " is not a time like 08:30");
    }
    return (digit(0) * 10 + digit(1)) * 60 + digit(3) * 10 + digit(4);
  }

  /// Monday is 0.
  bool on(int day) const { return days_[static_cast<std::size_t>((day % 7 + 7) % 7)]; }

  bool holds(double utc) const {
    if (!(utc >= 0 && utc < 1e11)) return false;  // nobody's time; also NaN
    auto whole = static_cast<std::int64_t>(std::floor(utc));
    int day = 0, minute = 0;
    if (own_time_) {
      const auto since = static_cast<std::time_t>(whole);
      std::tm parts{};
      if (localtime_r(&since, &parts) == nullptr) return false;
      day = parts.tm_wday + 6;
      minute = parts.tm_hour * 60 + parts.tm_min;
    } else {
      whole += offset_;
      const std::int64_t days = (whole >= 0 ? whole : whole - 86399) / 86400;
      day = static_cast<int>((days % 7 + 7 + 3) % 7);  // 1970-01-01 was a Thursday
      minute = static_cast<int>((whole - days * 86400) / 60);
    }
    if (start_ < end_) return on(day) && minute >= start_ && minute < end_;
    return (on(day) && minute >= start_) || (on(day - 1) && minute < end_);
  }

  std::string name_;
  int start_, end_;
  bool own_time_;
  int offset_ = 0;
  std::array<bool, 7> days_{};
};

}  // namespace edgepack::blocks
