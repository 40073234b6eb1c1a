// Another program that is given bytes on its standard input: started by its words, without a shell.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "file.hpp"

namespace edgepack::program {

class FedChild {
 public:
  enum class Took { all, some, none_more };

  /// What it writes to its output goes nowhere. It is killed when the thread that starts it ends, however that ends.
  /// Throws std::runtime_error. A program that is not there ends with 127.
  explicit FedChild(const std::vector<std::string>& words);
  /// Killed, where it has not ended.
  ~FedChild();
  FedChild(const FedChild&) = delete;
  FedChild& operator=(const FedChild&) = delete;

  /// Gives it bytes, waiting not longer than that, and takes them off the front. none_more: it has closed its input.
  Took give(std::string_view& bytes, std::chrono::milliseconds patience);

  /// The last two lines of its complaints so far, as the last one may say only that it ends: printable, and not much.
  std::string last_words();

  /// Whether it still runs.
  bool alive();

  /// Its input ends. Its exit code, 128 and more for a signal, waiting not longer than that; then it is killed.
  int end(std::chrono::milliseconds patience);

 private:
  void listen();

  pid_t pid_ = -1;
  int status_ = 0;
  Fd in_, err_;
  std::string words_;
};

}  // namespace edgepack::program
