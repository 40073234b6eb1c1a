// The `files` source: images that others put into a folder, taken in name order.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "edgepack/source.h"

namespace edgepack::program {

/// Who puts files here writes a name that starts with a dot and renames it: what has another name is whole.
/// An image leaves the folder when its answer is in the sinks; one that cannot be used goes to `.rejected`.
class FilesSource : public Source {
 public:
  /// Makes the folder where it is not there. shown: its name for the log. Throws ReadError.
  FilesSource(std::string folder, std::string shown);

  std::optional<Picture> next(std::chrono::milliseconds patience) override;

  /// An image that is done with and cannot be put away is not given out again, so that one image has one answer;
  /// it is put away when that becomes possible.
  std::string settled(const Picture& picture, Fate fate, const std::string& why) override;

  std::string about() const override { return shown_; }

 private:
  /// A file's identity: a new one under an old name is another image.
  struct Identity {
    unsigned long long device = 0, inode = 0;
    long long seconds = 0, nanoseconds = 0;
    bool operator==(const Identity& other) const {
      return device == other.device && inode == other.inode && seconds == other.seconds &&
             nanoseconds == other.nanoseconds;
    }
  };
  struct Stuck {
    Identity identity;
    bool rejected;
  };

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  static bool identify(const std::string& path, Identity& to);
  void list();
  Picture give(const std::string& name);
  bool put_away(const std::string& name, bool rejected) const;
  bool is_stuck(const std::string& name, const Identity& identity);
  bool leave(const std::string& name, const Identity& identity, bool rejected);

  const std::string folder_, shown_;
  std::deque<std::string> waiting_;             // of the last look, in order
  std::chrono::steady_clock::time_point next_look_{};
  std::mutex mutex_;                            // of what is below: both threads use it
  std::set<std::string> given_;                 // on their way
  std::map<std::string, Stuck> stuck_;          // done with, and cannot be put away
};

}  // namespace edgepack::program
