// The project's own Python, in a process of its own: arrays go there over a pipe, and what it says comes back.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "edgepack/edgepack.h"
#include "file.hpp"

namespace edgepack::program {

/// One function of one file, called from one thread at a time. The process is started at the first call, and again
/// after it died or was killed.
class PythonWorker {
 public:
  struct How {
    std::string program;  // python3
    std::string version;  // 3.11: what the packages beside it are for
    std::chrono::milliseconds patience;  // for one call
  };

  PythonWorker(How how, std::string file, std::string entry);
  ~PythonWorker();
  PythonWorker(const PythonWorker&) = delete;
  PythonWorker& operator=(const PythonWorker&) = delete;

  /// `entry(image)`: an array for an array. Throws std::runtime_error with Python's last words, as the next one.
  Tensor image(const Tensor& image);

  /// `entry(outputs, record)`: what it sets in `record`, or returns as a dictionary, becomes the record's.
  void record(const std::vector<Tensor>& outputs, Record& record);

 private:
  void start();
  void stop();
  /// A message there and its answer, each after its length. Throws where none comes in time.
  std::string exchange(const std::string& message, std::chrono::milliseconds patience);
  std::string asked(const std::string& message);
  std::runtime_error died(const std::string& what);
  std::string ended();

  How how_;
  std::string file_, entry_, words_;
  pid_t pid_ = -1;
  bool started_ = false;  // the last one that was started said so
  Fd in_, out_, err_;
  std::chrono::steady_clock::time_point not_before_{};
};

}  // namespace edgepack::program
