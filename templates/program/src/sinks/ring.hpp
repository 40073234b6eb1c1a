// A folder that keeps the newest of what is put into it, and never more bytes than was said: also after a kill.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace edgepack::program {

class Ring {
 public:
  /// Makes the folder, or goes on with what is in it. Files that are none of its own are left alone, and not
  /// counted. Throws ReadError.
  Ring(std::string folder, std::uint64_t most_bytes);

  /// One thing: files that differ in their ending. Named by a number that only grows and by when it was (seconds
  /// since 1970). The oldest things go first. Empty on success, else what is wrong with the disk.
  std::string put(double utc, const std::vector<std::pair<std::string, std::string>>& files);

 private:
  struct Thing {
    std::int64_t number = 0;
    std::uint64_t bytes = 0;
    std::vector<std::string> names;
  };

  void find();
  void drop_oldest();

  const std::string folder_;
  const std::uint64_t most_;  // more than a size_t holds on a box of 32 bits
  std::deque<Thing> things_;
  std::uint64_t held_ = 0;
  std::int64_t next_ = 1;
};

}  // namespace edgepack::program
