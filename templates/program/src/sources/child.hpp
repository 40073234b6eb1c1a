// Another program, whose output is read: started by its words, without a shell.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "file.hpp"

namespace edgepack::program {

class Child {
 public:
  /// It reads nothing, and is killed when the thread that starts it ends, however that ends. Throws
  /// std::runtime_error. A program that is not there ends with 127.
  /// environment: NAME=VALUE, before this program's own.
  explicit Child(const std::vector<std::string>& words, const std::vector<std::string>& environment = {});
  /// Killed, where it has not ended.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Waits for output, not longer than that; appends what came of both kinds. False: it has closed its output.
  bool read(std::chrono::milliseconds patience, std::string& out, std::string& err);

  /// Its exit code, 128 and more for a signal, waiting not longer than that; then it is killed.
  int end(std::chrono::milliseconds patience);

 private:
  pid_t pid_ = -1;
  Fd out_, err_;
};

}  // namespace edgepack::program
