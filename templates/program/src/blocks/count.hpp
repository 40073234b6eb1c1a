// count: {name, zone | line}: how many are in a zone, or have crossed a line, since the program started.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "blocks/rules.hpp"

namespace edgepack::blocks {

class Count {
 public:
  enum class Of { zone, line };

  Count(std::string name, Of of, std::string field) : name_(std::move(name)), of_(of), field_(std::move(field)) {}

  /// Of a zone: `name`, how many are inside; `name_total`, how many have ever been, where boxes have numbers.
  /// Of a line: `name_forward` and `name_backward`, how many have crossed; `name`, their difference.
  void look(Record& record) {
    const std::vector<std::int64_t> list = beside_boxes(record, field_, name_);
    if (of_ == Of::zone) {
      zone(list, record);
    } else {
      line(list, record);
    }
  }

 private:
  void zone(const std::vector<std::int64_t>& inside, Record& record) {
    std::int64_t here = 0;
    for (std::size_t i = 0; i < inside.size(); ++i) {
      if (inside[i] == 0) continue;
      ++here;
      const std::int64_t track = record.detections()[i].track;
      if (track == 0 || known_.find(track) != nullptr) continue;
      known_.put(track, true);
      ++forward_;
    }
    record.set(name_, here);
    if (record.find("tracks") != nullptr) record.set(name_ + "_total", forward_);
  }

  void line(const std::vector<std::int64_t>& crossed, Record& record) {
    for (const std::int64_t way : crossed) {
      if (way > 0) ++forward_;
      if (way < 0) ++backward_;
    }
    record.set(name_, forward_ - backward_);
    record.set(name_ + "_forward", forward_);
    record.set(name_ + "_backward", backward_);
  }

  std::string name_;
  Of of_;
  std::string field_;
  std::int64_t forward_ = 0, backward_ = 0;
  Tracks<bool> known_;
};

}  // namespace edgepack::blocks
