// The licence that the app runs under: a signed file, licence in the data folder. One call asks all of it:
//
//   Licence licence(data);
//   if (!licence.runs()) …
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace edgepack::program {

/// What status.json and the metrics say of it.
struct Licensed {
  std::string state;  // empty: this app needs none
  std::string words, until;
  double left_s = 0;  // until it ends; below 0 in its grace time
};

class Licence {
 public:
  /// Reads it, judges it, and opens what it opens (`edgepack::licensed`).
  explicit Licence(const std::string& data);
  ~Licence();

  /// Whether a licence is asked for at all.
  static bool wanted();

  /// Whether the app may run: it holds, or none is required.
  bool runs() const;

  Licensed told() const;

  /// From now on it is read again where the file changed, and once a minute. say: gets a line where something is to be
  /// told; end: is called once, when the app may not run any more.
  void watch(std::function<void(const std::string&)> say, std::function<void()> end);

 private:
  class Kept;
  std::unique_ptr<Kept> kept_;
};

}  // namespace edgepack::program
