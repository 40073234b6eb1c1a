#include "jsonl_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace edgepack::program {

JsonlSink::JsonlSink(std::string path, std::string shown) : path_(std::move(path)), shown_(std::move(shown)) {}

bool JsonlSink::is_current() const {
  struct stat ours {}, there {};
  return file_.open() && fstat(file_.get(), &ours) == 0 && stat(path_.c_str(), &there) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

std::string JsonlSink::reopen() {
  Fd file(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file.open()) return trouble(path_, errno);
  if (!cut_torn_line(file)) return trouble(path_, errno);
  file_ = std::move(file);
  return "";
}

std::string JsonlSink::put(const Answered& answer) {
  if (!is_current()) {
    std::string problem = reopen();
    if (!problem.empty()) return problem;
  }
  struct stat before {};
  if (fstat(file_.get(), &before) != 0) return trouble(path_, errno);
  const std::string whole = answer.line + "\n";
  ssize_t put = 0;
  do {
    put = write(file_.get(), whole.data(), whole.size());
  } while (put < 0 && errno == EINTR);
  if (put == static_cast<ssize_t>(whole.size())) return "";
  const int error = put < 0 ? errno : ENOSPC;
  if (put > 0 && ftruncate(file_.get(), before.st_size) != 0) {
    file_ = Fd();  // the next answer opens it again, and cuts there
  }
  return trouble(path_, error);
}

void JsonlSink::flush() {
  // A disk that fails here fails at the next answer too, where it is told.
  if (file_.open()) static_cast<void>(fdatasync(file_.get()));
}

}  // namespace edgepack::program
