// source.h: where pictures come from. For a project's own source (`source: {kind: code, …}`), as a camera's SDK
// needs one; edgepack's own are behind the same interface. Stable, as edgepack.h is.
//
//   #include <edgepack/source.h>
//
//   std::unique_ptr<edgepack::Source> make_source(const std::string& data);   // an entry
//
// data: the app's data folder. Everything of a source but `settled` is called from one thread; `settled` from others.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "edgepack/edgepack.h"

namespace edgepack {

/// One picture on its way to its answer.
struct Picture {
  /// What the answer says as "file".
  std::string name;

  /// The pixels, {channels, height, width}, 0..255. Called once, from another thread than `next`, so that one
  /// picture is decoded while the next one is fetched. What it throws costs this picture.
  std::function<Tensor()> pixels;

  /// When it was taken. Left 0, it is when `next` gave it.
  Moment when{};

  /// What the source needs to know it again.
  std::shared_ptr<void> mine;
};

/// What became of a picture.
enum class Fate {
  answered,  // the answer is in every sink
  refused,   // it cannot be read, or `pre`, the model or `post` threw
  dropped,   // the queue was full, or it came sooner than `fps` allows
  left,      // the program ends: it is as if it had not been given out
};

class Source {
 public:
  virtual ~Source() = default;

  /// The next picture. Waits for one, but not longer than `patience`; empty where none came. What it throws
  /// (std::exception) is told, and it is asked again after a second.
  virtual std::optional<Picture> next(std::chrono::milliseconds patience) = 0;

  /// A picture of this source has met its fate. From another thread than `next`, in no promised order. said: why,
  /// for `refused`; the answer, one JSON object, for `answered`. Returns what went wrong, or nothing.
  virtual std::string settled(const Picture&, Fate, const std::string& /*said*/) { return ""; }

  /// Where its pictures come from, for the log.
  virtual std::string about() const = 0;
};

}  // namespace edgepack
