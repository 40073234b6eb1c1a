// The `jsonl` sink: one line an answer, appended.
#pragma once

#include <string>

#include "file.hpp"
#include "sink.hpp"

namespace edgepack::program {

/// A line is written by one write(2), and is in the file whole or not at all: what a full disk or a
/// power cut left of a line is taken away again. A file that was moved away (log rotation) is made anew.
class JsonlSink : public Sink {
 public:
  /// shown: its name for the log.
  JsonlSink(std::string path, std::string shown);

  std::string put(const Answered& answer) override;
  void flush() override;
  std::string about() const override { return shown_; }

 private:
  std::string reopen();
  bool is_current() const;

  const std::string path_, shown_;
  Fd file_;
};

}  // namespace edgepack::program
