// A sink whose answers go to a peer over the network: into a spool on disk, and from there, by a thread of its own, to
// whoever wants them. Each arrives at least once; none is lost but what the spool says.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sink.hpp"
#include "sinks/socket.hpp"
#include "sinks/spool.hpp"

namespace edgepack::program {

/// Of edgepack.yaml: the folder's name below data/spool, megabytes, whether the oldest give way.
struct SpoolSays {
  std::string name;
  int most_mb = 16;
  bool drop_oldest = false;
};

/// Who takes answers. Only the sink's own thread calls it.
class Peer {
 public:
  virtual ~Peer() = default;

  /// Returns when the peer has said that it has all of them, connecting first where it is not. What it throws
  /// (PeerError, std::exception) is told; `leave` is called, and the same ones come again after a while.
  virtual void deliver(const std::vector<std::string>& lines, const std::atomic<bool>& end) = 0;

  /// Called about each second in which there is nothing to deliver: a connection that wants to be kept.
  virtual void idle(const std::atomic<bool>& /*end*/) {}

  /// Whatever is open is closed.
  virtual void leave() = 0;

  /// How many of them it wants at once.
  virtual std::size_t most_lines() const = 0;
};

class SpooledSink : public Sink {
 public:
  /// data: the app's data folder. shown: where the answers go, for the log. Throws ReadError.
  SpooledSink(const std::string& data, const SpoolSays& says, std::string shown, std::unique_ptr<Peer> peer);

  /// Three seconds for what still waits; the rest is sent when the program starts again.
  ~SpooledSink() override;
  SpooledSink(const SpooledSink&) = delete;
  SpooledSink& operator=(const SpooledSink&) = delete;

  std::string put(const Answered& answer) override;
  void flush() override { spool_.sync(); }
  std::optional<Sent> state() const override;
  std::string about() const override { return shown_; }

 private:
  using Clock = std::chrono::steady_clock;

  void loop();
  bool deliver();
  void fail(const std::string& words, std::chrono::seconds after);
  void well(std::size_t sent);

  const std::string shown_;
  Spool spool_;
  const std::unique_ptr<Peer> peer_;
  mutable std::mutex mutex_;
  std::condition_variable stirred_;
  bool came_ = false, ending_ = false;
  std::int64_t sent_ = 0;
  std::string trouble_;
  std::chrono::milliseconds pause_{0};  // before the peer is tried again
  std::atomic<bool> end_{false};        // nothing more is waited for
  std::thread thread_;                  // last: it uses all of the above
};

}  // namespace edgepack::program
