// debounce: {name, field, at_least, frames, of | seconds}: whether something holds, and not just for a moment.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>

#include "blocks/rules.hpp"

namespace edgepack::blocks {

class Debounce {
 public:
  struct By {
    std::string name, field;
    double at_least;    // of the field's number
    int frames, of;     // so many of the last `of` pictures; 0: by seconds
    double seconds;
  };

  explicit Debounce(By by) : by_(std::move(by)) {}

  /// Sets `name`, a truth value.
  void look(Record& record) {
    const bool now = number_in(record, by_.field, by_.name) >= by_.at_least;
    record.set(by_.name, by_.frames > 0 ? often(now) : long_enough(now, elapsed_.at(record.when().seconds)));
  }

 private:
  bool often(bool now) {
    last_.push_back(now);
    if (last_.size() > static_cast<std::size_t>(by_.of)) last_.pop_front();
    return std::count(last_.begin(), last_.end(), true) >= by_.frames;
  }

  /// It changes its mind when the contrary was so for so long without a break.
  bool long_enough(bool now, double at) {
    if (now == said_) {
      contrary_ = false;
    } else if (!contrary_) {
      contrary_ = true;
      since_ = at;
    }
    if (contrary_ && at - since_ >= by_.seconds) {
      said_ = now;
      contrary_ = false;
    }
    return said_;
  }

  By by_;
  std::deque<bool> last_;
  Elapsed elapsed_;
  bool said_ = false, contrary_ = false;
  double since_ = 0;
};

}  // namespace edgepack::blocks
