// Files by their descriptors: whole reads and writes, with errors in words.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace edgepack::program {

/// A file that is not there, cannot be read, or is not what it says it is.
struct ReadError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// It was there when the folder was listed, and is not any more.
struct Vanished : ReadError {
  using ReadError::ReadError;
};

/// An open file, closed when it goes out of scope. -1 is none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// The system's words for errno, with the path: "data/x.pgm: Permission denied".
std::string trouble(const std::string& path, int error);

/// Opens a regular file for reading. Links are followed only where `follow` says so: an inbox is
/// written by others, and a link there could name any file of the box. Throws ReadError, Vanished.
Fd open_regular(const std::string& path, bool follow);

/// The size in bytes of an open file.
std::size_t size_of(const Fd& file, const std::string& path);

/// `count` bytes at `offset`. Throws ReadError where the file ends before.
void read_at(const Fd& file, const std::string& path, std::size_t offset, void* to, std::size_t count);

/// The whole file; throws ReadError where it is larger than `limit` bytes.
std::vector<unsigned char> read_whole(const std::string& path, std::size_t limit, bool follow);

/// All of `text`; false, with errno, where not all of it could be written.
bool write_all(int fd, const std::string& text);

/// Cuts a file of lines after its last newline: what a power cut left of a line. True where that can be done or
/// need not be.
bool cut_torn_line(const Fd& file);

/// Write beside, then rename: a reader sees the old or the new file, never half of one.
/// False, with errno, on failure.
bool replace_file(const std::string& path, const std::string& text);

}  // namespace edgepack::program
