// dwell: {name, zone, seconds, grace}: how long each thing has been in a zone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "blocks/rules.hpp"

namespace edgepack::blocks {

/// Who is out of the zone, or not seen, for more than `grace` seconds begins anew.
class Dwell {
 public:
  Dwell(std::string name, std::string zone, double seconds, double grace)
      : name_(std::move(name)), zone_(std::move(zone)), least_(seconds), grace_(grace) {}

  /// Sets `name`: how many have stayed `seconds` or longer; and `name_seconds`, beside `boxes`: how long each
  /// has been inside, 0 where it is not.
  void look(Record& record) {
    const double now = elapsed_.at(record.when().seconds);
    const std::vector<std::int64_t> inside = beside_boxes(record, zone_, name_);
    std::vector<float> seconds;
    std::int64_t stayed = 0;
    for (std::size_t i = 0; i < inside.size(); ++i) {
      if (inside[i] == 0) {
        seconds.push_back(0);
        continue;
      }
      const std::int64_t track = track_of(record.detections()[i], name_);
      Stay* known = stays_.find(track);
      if (known == nullptr || now - known->last > grace_) known = &stays_.put(track, {now, now});
      known->last = now;
      const double here = now - known->since;
      seconds.push_back(static_cast<float>(here));
      if (here >= least_) ++stayed;
    }
    record.set(name_, stayed);
    record.set(name_ + "_seconds", seconds);
  }

 private:
  struct Stay {
    double since, last;
  };

  std::string name_, zone_;
  double least_, grace_;
  Elapsed elapsed_;
  Tracks<Stay> stays_;
};

}  // namespace edgepack::blocks
