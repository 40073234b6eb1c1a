// A connection to a peer that may say anything, or nothing: each wait has an end, and a program that is to stop waits
// for nobody.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "file.hpp"

namespace edgepack::program {

/// The peer cannot be reached, has gone, is too slow, or says what it must not say. `after`: when it wants to be
/// asked again, where it said so.
struct PeerError : std::runtime_error {
  explicit PeerError(const std::string& words, std::chrono::seconds later = std::chrono::seconds(0))
      : std::runtime_error(words), after(later) {}
  std::chrono::seconds after;
};

/// How long somebody may wait: until a moment, and no longer than the program wants to.
class Patience {
 public:
  using Clock = std::chrono::steady_clock;

  /// end: cut short where it becomes true.
  Patience(Clock::duration time, const std::atomic<bool>& end) : until_(Clock::now() + time), end_(&end) {}

  bool over() const { return *end_ || Clock::now() >= until_; }
  bool ended() const { return *end_; }
  /// For poll(2): in slices, since nobody wakes it.
  int slice_ms() const;

 private:
  Clock::time_point until_;
  const std::atomic<bool>* end_;
};

class Socket {
 public:
  /// TCP, to a name or an address. Throws PeerError.
  static Socket to(const std::string& host, int port, const Patience& patience);

  Socket() = default;
  bool open() const { return socket_.open(); }

  /// All of it. Throws PeerError.
  void send(std::string_view bytes, const Patience& patience);

  /// What has come, at least one byte. Throws PeerError, also where the peer has closed.
  std::string receive(const Patience& patience);

  /// Exactly so many. Throws PeerError.
  std::string exactly(std::size_t count, const Patience& patience);

  /// A line without its end (LF, or CR LF), of `most` bytes at most. Throws PeerError.
  std::string line(std::size_t most, const Patience& patience);

  /// Whether something is there to be read, or the peer has gone. Does not wait.
  bool stirs() const;

 private:
  explicit Socket(Fd socket) : socket_(std::move(socket)) {}
  void wait(short for_what, const Patience& patience) const;

  Fd socket_;
  std::string read_;  // and not yet asked for
};

/// The first line of a file on the box: a token, a password. Throws PeerError.
std::string secret(const std::string& path);

/// What a peer said, as it may stand in a log: printable, and not much of it.
std::string printable(std::string_view words);

}  // namespace edgepack::program
