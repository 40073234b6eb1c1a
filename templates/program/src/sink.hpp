// Where answers go. One file a sink implements it (jsonl_sink.cpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "blocks/geometry.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::program {

/// What the model itself gave, in the order of Config::outputs; and where it lies in the picture.
struct Computed {
  std::vector<Tensor> outputs;
  blocks::Geometry geometry;
};

/// One picture's answer. picture: its pixels, where a sink wants them (`wants_picture`); so with `computed`.
struct Answered {
  std::string name;
  std::string line;  // one JSON object
  Record record;
  std::shared_ptr<const Tensor> picture;
  std::shared_ptr<const Computed> computed;
};

/// How a sink goes that hands answers on to a peer.
struct Sent {
  std::int64_t sent = 0, waiting = 0, lost = 0;  // answers
  std::string trouble;                           // that lasts; empty where the peer takes them
};

/// Only the last stage's thread calls it.
class Sink {
 public:
  virtual ~Sink() = default;

  /// Empty on success, else what went wrong: it is then as if it had not been called, and the same answer is
  /// given to it again after a while.
  virtual std::string put(const Answered& answer) = 0;

  /// What was put reaches the disk, or the peer. Called once in a while.
  virtual void flush() {}

  virtual bool wants_picture() const { return false; }
  virtual bool wants_computed() const { return false; }

  /// Of a sink that has a peer; from any thread.
  virtual std::optional<Sent> state() const { return std::nullopt; }

  /// Where the answers go, for the log.
  virtual std::string about() const = 0;
};

}  // namespace edgepack::program
