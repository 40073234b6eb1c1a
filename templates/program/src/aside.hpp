// What a runtime prints goes to stderr.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace edgepack::program {

/// For libraries that print what they find on a box or in a file to stdout, which is where this program answers: as
/// long as this lives it goes to stderr.
class Aside {
 public:
  Aside() {
    std::fflush(stdout);
    kept_ = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (kept_ >= 0) dup2(STDERR_FILENO, STDOUT_FILENO);
  }
  ~Aside() {
    if (kept_ < 0) return;
    std::fflush(stdout);
    dup2(kept_, STDOUT_FILENO);
    close(kept_);
  }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

 private:
  int kept_ = -1;
};

}  // namespace edgepack::program
