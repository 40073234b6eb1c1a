// A source whose pictures another program decodes, of the box's own: ffmpeg, GStreamer. It is started with its words,
// without a shell, and again when it ends, sends junk, or is silent for too long; with pauses that grow. It ends with
// this program, however that ends.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "edgepack/source.h"

namespace edgepack::program {

/// What is read, and how it is watched. input: a URL or a file, below the data folder unless whole; empty where
/// `input_file`, a file on the box, has it as its first line: that is a secret then. again: after the end, too.
struct StreamSays {
  std::string program, input, input_file;
  double silent_s;
  bool again;
};

/// How one such program is spoken with.
class Streaming {
 public:
  virtual ~Streaming() = default;

  /// For the log: ffmpeg.
  virtual std::string name() const = 0;
  /// The program's words after its name, for a URL or a whole path.
  virtual std::vector<std::string> words(const std::string& input) const = 0;
  /// What is put into its environment, like NAME=VALUE.
  virtual std::vector<std::string> environment() const { return {}; }
  /// Of what it has complained, what is told.
  virtual std::string trouble(const std::string& words) const = 0;
  /// How many bytes the first picture in what it has written takes; 0 where that cannot be told yet. Throws
  /// std::runtime_error for junk, ReadError for too many pixels.
  virtual std::size_t first_picture(const std::string& stream) const = 0;
  /// The pixels of such a picture. Called on another thread.
  virtual Tensor read(const std::vector<unsigned char>& bytes, const std::string& name) const = 0;
};

/// The last line with something in it, printable.
std::string last_line(const std::string& text);

std::unique_ptr<Source> child_source(const std::string& data, StreamSays says, std::unique_ptr<Streaming> streaming);

}  // namespace edgepack::program
