// alarm: {name, field, at, clear, cooldown, during}: raised and cleared by two limits, and not too often.
#pragma once

#include <string>
#include <utility>

#include "blocks/rules.hpp"

namespace edgepack::blocks {

class Alarm {
 public:
  struct By {
    std::string name, field;
    double at, clear;    // raised from `at` on, cleared at `clear` and below
    double cooldown;     // seconds from one rise to the next, at least
    std::string during;  // a field that must not be 0; empty: always
  };

  explicit Alarm(By by) : by_(std::move(by)) {}

  /// Sets `name`: whether it is raised; and `name_event`: `raised` or `cleared` in this picture, else empty.
  void look(Record& record) {
    const double now = elapsed_.at(record.when().seconds), value = number_in(record, by_.field, by_.name);
    const bool awake = by_.during.empty() || number_in(record, by_.during, by_.name) != 0;
    const char* event = "";
    if (raised_ && (!awake || value <= by_.clear)) {
      raised_ = false;
      event = "cleared";
    } else if (!raised_ && awake && value >= by_.at && (!ever_ || now - last_ >= by_.cooldown)) {
      raised_ = ever_ = true;
      last_ = now;
      event = "raised";
    }
    record.set(by_.name, raised_);
    record.set(by_.name + "_event", event);
  }

 private:
  By by_;
  Elapsed elapsed_;
  bool raised_ = false, ever_ = false;
  double last_ = 0;
};

}  // namespace edgepack::blocks
