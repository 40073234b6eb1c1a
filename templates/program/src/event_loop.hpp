// One thread that serves many sockets: epoll, with limits on what a peer may take. What is spoken over a
// connection is a Protocol's business (http_server.cpp).
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "file.hpp"

namespace edgepack::program {

using Clock = std::chrono::steady_clock;

class Connection;

/// What one connection speaks. Only the loop's thread calls it.
class Protocol {
 public:
  virtual ~Protocol() = default;

  /// Bytes that came. It answers by Connection::send and ends by Connection::finish.
  virtual void received(std::string_view bytes) = 0;

  /// All that was to be sent has been.
  virtual void sent() {}

  /// The loop is told to stop: no new request is begun; what is under way is answered.
  virtual void drain() = 0;

  /// When the peer must have done its next thing. Past it `expired` is called; true: that is the end.
  virtual Clock::time_point deadline() const = 0;
  virtual bool expired() { return true; }

  /// Bytes of answers that it keeps until they can be sent.
  virtual std::size_t kept() const { return 0; }
};

/// One peer. Belongs to the loop.
class Connection {
 public:
  std::uint64_t id() const { return id_; }

  void send(std::string_view bytes);
  /// Nothing is read any more; closed once all is sent.
  void finish();
  /// Whether anything is read: a peer whose request is at work waits with the next one.
  void read(bool wanted);
  /// Bytes that the peer has not taken yet.
  std::size_t unsent() const { return out_.size() - out_at_; }

 private:
  friend class Loop;
  Connection(std::uint64_t id, Fd socket) : id_(id), socket_(std::move(socket)) {}

  std::uint64_t id_;
  Fd socket_;
  std::unique_ptr<Protocol> protocol_;
  std::string out_;
  std::size_t out_at_ = 0;
  Clock::time_point moved_ = Clock::now();  // when bytes went out last
  Clock::time_point linger_until_{};
  bool reading_ = true, finishing_ = false, lingering_ = false, dead_ = false;
  std::uint32_t watched_ = 0;
};

/// Gives a new connection its protocol.
using Accept = std::function<std::unique_ptr<Protocol>(Connection&)>;

class Loop {
 public:
  /// most: connections at once; one more is closed where it knocks. most_unsent: bytes of answers that peers
  /// have not taken, of all together; beyond, who has most of them is left. Throws std::runtime_error.
  explicit Loop(std::size_t most, std::size_t most_unsent = 64U << 20U);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Listens there before `run`; returns the port, which the system chooses where it is 0. address: of this
  /// machine, numeric, IPv4 or IPv6. Throws std::runtime_error in words.
  int listen(const std::string& address, int port, Accept accept);

  /// Serves until `stop`, and then until all is answered, but not longer than that time.
  void run();

  /// From any thread, or a signal's handler.
  void stop() noexcept;
  /// How long `run` goes on after `stop`; before `run`.
  void grace(std::chrono::milliseconds time) { grace_ = time; }

  /// Does `work` on the loop's thread, soon; from any thread.
  void post(std::function<void()> work);

  /// The protocol of a connection, if that is still there; on the loop's thread.
  Protocol* find(std::uint64_t id);

  std::size_t connections() const { return count_; }

 private:
  struct Listener {
    Fd socket;
    Accept accept;
  };

  void watch(Connection& connection);
  void take(Listener& listener);
  void serve(Connection& connection, std::uint32_t events);
  void write(Connection& connection);
  void settle();
  void bound();
  void begin_drain();
  void do_posted();
  void look_at_deadlines(Clock::time_point now);

  Fd epoll_, wake_;
  std::size_t most_, most_unsent_;
  std::chrono::milliseconds grace_{8000};
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<std::uint64_t, std::unique_ptr<Connection>> open_;
  std::atomic<std::size_t> count_{0};
  std::uint64_t next_ = 0;
  std::atomic<bool> stopping_{false};
  bool draining_ = false;
  Clock::time_point looked_{};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace edgepack::program
