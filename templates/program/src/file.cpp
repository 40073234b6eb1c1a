#include "file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace edgepack::program {

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

std::string trouble(const std::string& path, int error) { return path + ": " + std::strerror(error); }

Fd open_regular(const std::string& path, bool follow) {
  // O_NONBLOCK: opening a named pipe must not wait for somebody to write into it.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW);
  Fd file(::open(path.c_str(), flags));
  if (!file.open()) {
    const int error = errno;
    if (error == ENOENT) throw Vanished(trouble(path, error));
    throw ReadError(trouble(path, error));
  }
  struct stat about {};
  if (fstat(file.get(), &about) != 0) throw ReadError(trouble(path, errno));
  if (!S_ISREG(about.st_mode)) throw ReadError(path + ": not a regular file");
  return file;
}

std::size_t size_of(const Fd& file, const std::string& path) {
  struct stat about {};
  if (fstat(file.get(), &about) != 0) throw ReadError(trouble(path, errno));
  const auto size = static_cast<std::size_t>(about.st_size);
  if (static_cast<off_t>(size) != about.st_size) throw ReadError(path + ": too large for this processor");
  return size;
}

void read_at(const Fd& file, const std::string& path, std::size_t offset, void* to, std::size_t count) {
  auto* bytes = static_cast<unsigned char*>(to);
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = pread(file.get(), bytes + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw ReadError(trouble(path, errno));
    if (got == 0) throw ReadError(path + ": the file ends too early");
    done += static_cast<std::size_t>(got);
  }
}

std::vector<unsigned char> read_whole(const std::string& path, std::size_t limit, bool follow) {
  const Fd file = open_regular(path, follow);
  const std::size_t size = size_of(file, path);
  if (size > limit) {
    throw ReadError(path + ": " + std::to_string(size) + " bytes, at most " + std::to_string(limit) + " are read");
  }
  std::vector<unsigned char> bytes(size);
  read_at(file, path, 0, bytes.data(), size);
  return bytes;
}

bool write_all(int fd, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t put = write(fd, text.data() + done, text.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    if (put == 0) {
      errno = ENOSPC;
      return false;
    }
    done += static_cast<std::size_t>(put);
  }
  return true;
}

bool cut_torn_line(const Fd& file) {
  struct stat about {};
  if (fstat(file.get(), &about) != 0) return false;
  const off_t size = about.st_size;
  char block[4096];
  for (off_t end = size; end > 0;) {
    const off_t start = std::max<off_t>(0, end - static_cast<off_t>(sizeof block));
    const ssize_t got = pread(file.get(), block, static_cast<std::size_t>(end - start), start);
    if (got != static_cast<ssize_t>(end - start)) return false;
    for (ssize_t i = got - 1; i >= 0; --i) {
      if (block[i] != '\n') continue;
      const off_t keep = start + static_cast<off_t>(i) + 1;
      return keep == size || ftruncate(file.get(), keep) == 0;
    }
    end = start;
  }
  return size == 0 || ftruncate(file.get(), 0) == 0;
}

bool replace_file(const std::string& path, const std::string& text) {
  const std::string beside = path + ".tmp";
  {
    const Fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.open() || !write_all(file.get(), text)) return false;
  }
  return rename(beside.c_str(), path.c_str()) == 0;
}

}  // namespace edgepack::program
