#include "event_loop.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace edgepack::program {

namespace {

constexpr std::chrono::milliseconds tick{250};
constexpr std::chrono::seconds stuck{30};  // a peer that takes none of its answer for so long is left
constexpr std::chrono::milliseconds linger{1000};  // that it has to hear the last of it
constexpr std::uint64_t wake_key = 0, listener_keys = 1, first_connection = 1024;

[[noreturn]] void refuse(const std::string& what, const std::string& why) { throw std::runtime_error(what + ": " + why); }

}  // namespace

void Connection::send(std::string_view bytes) {
  if (dead_) return;
  // What was sent is dropped now and then, so that a connection that lasts does not grow.
  if (out_at_ > 65536 && out_at_ > out_.size() / 2) {
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
  if (unsent() == 0) moved_ = Clock::now();
  out_.append(bytes);
}

void Connection::finish() {
  finishing_ = true;
  reading_ = false;
}

void Connection::read(bool wanted) { reading_ = wanted && !finishing_; }

Loop::Loop(std::size_t most, std::size_t most_unsent)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      most_(most),
      most_unsent_(most_unsent) {
  if (!epoll_.open() || !wake_.open()) refuse("epoll", std::strerror(errno));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = wake_key;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  next_ = first_connection;
}

Loop::~Loop() = default;

int Loop::listen(const std::string& address, int port, Accept accept) {
  const std::string name = address + ":" + std::to_string(port);
  sockaddr_storage place{};
  socklen_t size = 0;
  auto& four = reinterpret_cast<sockaddr_in&>(place);
  auto& six = reinterpret_cast<sockaddr_in6&>(place);
  if (inet_pton(AF_INET, address.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(static_cast<std::uint16_t>(port));
    size = sizeof four;
  } else if (inet_pton(AF_INET6, address.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(static_cast<std::uint16_t>(port));
    size = sizeof six;
  } else {
    refuse(name, "not an address in numbers, like 127.0.0.1 or ::1");
  }
  Fd socket(::socket(place.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.open()) refuse(name, std::strerror(errno));
  const int on = 1;
  // A program that starts again does not wait until its old connections are forgotten.
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&place), size) != 0 || ::listen(socket.get(), 128) != 0) {
    refuse(name, std::strerror(errno));
  }
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&place), &size);
  const int got = ntohs(place.ss_family == AF_INET6 ? six.sin6_port : four.sin_port);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = listener_keys + listeners_.size();
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) != 0) refuse(name, std::strerror(errno));
  listeners_.push_back(std::make_unique<Listener>(Listener{std::move(socket), std::move(accept)}));
  return got;
}

void Loop::stop() noexcept {
  stopping_ = true;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

void Loop::post(std::function<void()> work) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    posted_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

Protocol* Loop::find(std::uint64_t id) {
  const auto at = open_.find(id);
  return at == open_.end() || at->second->dead_ ? nullptr : at->second->protocol_.get();
}

void Loop::run() {
  Clock::time_point end = Clock::time_point::max();
  epoll_event events[64];
  while (!draining_ || (!open_.empty() && Clock::now() < end)) {
    const int count = epoll_wait(epoll_.get(), events, 64, static_cast<int>(tick.count()));
    for (int i = 0; i < count; ++i) {
      const std::uint64_t key = events[i].data.u64;
      if (key == wake_key) {
        std::uint64_t times = 0;
        static_cast<void>(!::read(wake_.get(), &times, sizeof times));
      } else if (key < first_connection) {
        if (!draining_) take(*listeners_[key - listener_keys]);
      } else if (const auto at = open_.find(key); at != open_.end()) {
        serve(*at->second, events[i].events);
      }
    }
    do_posted();
    if (stopping_ && !draining_) {
      begin_drain();
      end = Clock::now() + grace_;
    }
    const auto now = Clock::now();
    if (now - looked_ >= tick) look_at_deadlines(now);
    settle();
  }
  open_.clear();
  count_ = 0;
}

void Loop::begin_drain() {
  draining_ = true;
  listeners_.clear();
  for (auto& [id, connection] : open_) connection->protocol_->drain();
}

void Loop::do_posted() {
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    work.swap(posted_);
  }
  for (const auto& each : work) each();
}

void Loop::look_at_deadlines(Clock::time_point now) {
  looked_ = now;
  for (auto& [id, connection] : open_) {
    if (connection->lingering_) {
      if (now > connection->linger_until_) connection->dead_ = true;
    } else if (connection->unsent() > 0) {
      // What it is told before it is left must also be taken.
      if (now - connection->moved_ > stuck) connection->dead_ = true;
    } else if (!connection->finishing_ && now > connection->protocol_->deadline()) {
      if (connection->protocol_->expired()) connection->finish();
    }
  }
}

/// Takes all that wait. Where there is no room the oldest is not put away: who is being served stays.
void Loop::take(Listener& listener) {
  for (int i = 0; i < 64; ++i) {
    Fd socket(accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.open()) return;
    if (open_.size() >= most_) continue;  // closed
    const int on = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::uint64_t id = next_++;
    std::unique_ptr<Connection> connection(new Connection(id, std::move(socket)));
    connection->protocol_ = listener.accept(*connection);
    epoll_event event{};
    event.events = connection->watched_ = EPOLLIN;
    event.data.u64 = id;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection->socket_.get(), &event) != 0) continue;
    open_.emplace(id, std::move(connection));
    count_ = open_.size();
  }
}

void Loop::serve(Connection& connection, std::uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) connection.dead_ = true;
  if (connection.dead_ || (events & EPOLLIN) == 0) return;
  char buffer[65536];
  if (connection.lingering_) {
    if (::read(connection.socket_.get(), buffer, sizeof buffer) == 0) connection.dead_ = true;
    return;
  }
  // Not until it is empty: others want to be heard too.
  for (int i = 0; i < 4 && connection.reading_; ++i) {
    const ssize_t got = ::read(connection.socket_.get(), buffer, sizeof buffer);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      connection.dead_ = true;
      return;
    }
    if (got < 0) return;
    connection.protocol_->received({buffer, static_cast<std::size_t>(got)});
    if (got < static_cast<ssize_t>(sizeof buffer)) return;
  }
}

void Loop::write(Connection& connection) {
  while (connection.unsent() > 0) {
    const ssize_t put = ::send(connection.socket_.get(), connection.out_.data() + connection.out_at_,
                               connection.unsent(), MSG_NOSIGNAL);
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (put <= 0) {
      connection.dead_ = true;
      return;
    }
    connection.out_at_ += static_cast<std::size_t>(put);
    connection.moved_ = Clock::now();
    if (connection.unsent() == 0) {
      std::string().swap(connection.out_);
      connection.out_at_ = 0;
      connection.protocol_->sent();  // may have more
    }
  }
}

void Loop::watch(Connection& connection) {
  const std::uint32_t wanted = (connection.reading_ || connection.lingering_ ? static_cast<std::uint32_t>(EPOLLIN) : 0U) |
                               (connection.unsent() > 0 ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  if (wanted == connection.watched_) return;
  epoll_event event{};
  event.events = connection.watched_ = wanted;
  event.data.u64 = connection.id_;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.socket_.get(), &event);
}

/// Peers that ask and do not listen must not fill the memory.
void Loop::bound() {
  std::size_t all = 0, most = 0;
  Connection* worst = nullptr;
  for (auto& [id, connection] : open_) {
    const std::size_t held = connection->unsent() + connection->protocol_->kept();
    all += held;
    if (held > most) {
      most = held;
      worst = connection.get();
    }
  }
  if (all > most_unsent_ && worst != nullptr) worst->dead_ = true;
}

/// After each round: what is to be sent is sent, what is over is closed, what is waited for is said.
void Loop::settle() {
  bound();
  for (auto at = open_.begin(); at != open_.end();) {
    Connection& connection = *at->second;
    if (!connection.dead_) write(connection);
    if (connection.finishing_ && connection.unsent() == 0 && !connection.dead_ && !connection.lingering_) {
      // Closed with bytes unread, the kernel sends a reset, which takes the answer from a peer that still sends.
      shutdown(connection.socket_.get(), SHUT_WR);
      connection.lingering_ = true;
      connection.linger_until_ = Clock::now() + linger;
    }
    if (connection.dead_) {
      at = open_.erase(at);
    } else {
      watch(connection);
      ++at;
    }
  }
  count_ = open_.size();
}

}  // namespace edgepack::program
