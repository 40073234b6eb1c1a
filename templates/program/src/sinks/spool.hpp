// Lines that wait on disk for a peer: first in, first out, no more bytes than was said, there again after a kill.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "file.hpp"

namespace edgepack::program {

/// A folder of segments, each an eighth of all and 1 GiB at most; a file `at` says how far they have been taken. What was put outlives
/// the program; a power cut takes what was put since the last `sync`. A line that was given out and not reported as
/// `done` before a cut is given out again.
class Spool {
 public:
  /// Makes the folder, or goes on with what is in it. drop_oldest: what makes room when it is full. Throws ReadError.
  Spool(std::string folder, std::uint64_t most_bytes, bool drop_oldest);

  /// Empty on success, else what keeps it from being put. line: without a newline in it.
  std::string put(const std::string& line);

  /// The oldest lines, not taken out: not more than `lines`, nor than `bytes` where there are several.
  std::vector<std::string> peek(std::size_t lines, std::size_t bytes);

  /// So many of the lines that `peek` gave have arrived. Empty, or what is wrong with the disk.
  std::string done(std::size_t lines);

  /// What was put is on the disk itself.
  void sync();

  std::int64_t waiting() const;
  std::int64_t lost() const;

 private:
  struct Segment {
    std::int64_t number = 0;
    std::size_t bytes = 0;
    std::int64_t lines = 0;  // of those that wait
  };

  std::string path(std::int64_t number) const;
  void find();
  void count(Segment& segment, std::size_t from);
  std::string make_room(std::size_t bytes);
  std::string begin_segment();
  void drop_front(bool lose);
  bool note() const;
  std::uint64_t held() const;

  const std::string folder_;
  const std::uint64_t most_;  // more than a size_t holds on a box of 32 bits
  const std::size_t each_;
  const bool drop_oldest_;
  mutable std::mutex mutex_;
  std::deque<Segment> segments_;  // the last one is written to
  Fd last_;
  std::size_t at_ = 0;  // in the first one
  std::vector<std::size_t> given_;  // bytes of the lines that `peek` gave last
  std::int64_t given_of_ = -1;      // their segment
  std::int64_t lost_ = 0;
};

}  // namespace edgepack::program
