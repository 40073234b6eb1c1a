// The `files` source: images that others put into a folder, taken in name order.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "edgepack/edgepack.h"

namespace edgepack::program {

/// Who puts files here writes a name that starts with a dot and renames it: what has another name is whole.
class FilesSource {
 public:
  /// Makes the folder where it is not there. Throws ReadError.
  explicit FilesSource(std::string folder);

  /// The names of the images that wait, in order. Throws ReadError where the folder cannot be listed.
  std::vector<std::string> waiting();

  /// Throws ReadError, and Vanished where somebody took the file away.
  Tensor read(const std::string& name) const;

  /// When its file was written last: a picture's time is that of its file.
  Moment when(const std::string& name) const;

  /// The image is answered: it leaves the inbox. False where it cannot be removed; it is then not
  /// given out again, so that one image has one answer, and removed when that becomes possible.
  bool done(const std::string& name);

  /// The image cannot be used: it goes to `.rejected`. False where it cannot be moved (as for done).
  bool reject(const std::string& name);

  /// Whether there are images that are done with and could not be put away.
  bool stuck() const { return !stuck_.empty(); }

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
  bool put_away(const std::string& name, bool rejected) const;
  bool is_stuck(const std::string& name, const Identity& identity);
  bool leave(const std::string& name, bool rejected);

  std::string folder_;
  std::map<std::string, Stuck> stuck_;
};

}  // namespace edgepack::program
