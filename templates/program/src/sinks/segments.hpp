// A folder of video that another program writes, file by file: the oldest go before there is too much of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace edgepack::program {

class Segments {
 public:
  /// Makes the folder, or goes on with what is in it. Throws ReadError.
  Segments(std::string folder, std::uint64_t most_bytes);

  /// The number of the next file, and its name with `%09d` in the number's place.
  std::int64_t next() const;
  std::string pattern() const;

  /// Removes the oldest files until an eighth is free, or until the one that grows is left. Whether that one alone
  /// takes more than its share, so that another must begin. Empty, or what is wrong with the disk, in `trouble`.
  bool tidy(std::string& trouble) const;

 private:
  const std::string folder_;
  const std::uint64_t most_;  // more than 4 GB also where a size has 32 bits
};

}  // namespace edgepack::program
