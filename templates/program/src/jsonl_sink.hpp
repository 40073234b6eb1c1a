// The `jsonl` sink: one line an answer, appended.
#pragma once

#include <string>

#include "file.hpp"

namespace edgepack::program {

/// A line is written by one write(2), and is in the file whole or not at all: what a full disk or a
/// power cut left of a line is taken away again. A file that was moved away (log rotation) is made anew.
class JsonlSink {
 public:
  explicit JsonlSink(std::string path);

  /// Empty on success, else what went wrong; the file is then as it was before.
  std::string append(const std::string& line);

  /// What was appended reaches the disk. Called once in a while, not for each line.
  void flush() const;

 private:
  std::string reopen();
  bool is_current() const;

  std::string path_;
  Fd file_;
};

}  // namespace edgepack::program
