#include "sinks/socket.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace edgepack::program {

namespace {

[[noreturn]] void lost(const std::string& what, int error) { throw PeerError(what + ": " + std::strerror(error)); }

}  // namespace

int Patience::slice_ms() const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until_ - Clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 100));
}

void Socket::wait(short for_what, const Patience& patience) const {
  for (;;) {
    pollfd about{socket_.get(), for_what, 0};
    const int found = poll(&about, 1, patience.slice_ms());
    if (found > 0) return;
    if (found < 0 && errno != EINTR) lost("the connection", errno);
    if (patience.over()) throw PeerError(patience.ended() ? "the program ends" : "the peer did not answer in time");
  }
}

Socket Socket::to(const std::string& host, int port, const Patience& patience) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (status != 0) throw PeerError(host + ": " + gai_strerror(status));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> places(found, freeaddrinfo);
  int error = 0;
  for (const addrinfo* place = found; place != nullptr; place = place->ai_next) {
    Socket made(Fd(::socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
    if (!made.open()) {
      error = errno;
      continue;
    }
    const int on = 1;
    setsockopt(made.socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(made.socket_.get(), place->ai_addr, place->ai_addrlen) != 0 && errno != EINPROGRESS) {
      error = errno;
      continue;
    }
    made.wait(POLLOUT, patience);
    socklen_t size = sizeof error;
    if (getsockopt(made.socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) return made;
  }
  lost(host + ":" + std::to_string(port), error);
}

void Socket::send(std::string_view bytes, const Patience& patience) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
    } else if (put < 0 && errno != EAGAIN && errno != EINTR) {
      lost("the connection", errno);
    } else {
      wait(POLLOUT, patience);
    }
    if (!bytes.empty() && patience.over()) throw PeerError("the peer did not take it in time");
  }
}

std::string Socket::receive(const Patience& patience) {
  if (!read_.empty()) return std::exchange(read_, "");
  // Also a peer that sends a byte now and then has an end.
  if (patience.over()) throw PeerError(patience.ended() ? "the program ends" : "the peer did not answer in time");
  std::vector<char> block(16384);
  for (;;) {
    const ssize_t got = recv(socket_.get(), block.data(), block.size(), 0);
    if (got > 0) return {block.data(), static_cast<std::size_t>(got)};
    if (got == 0) throw PeerError("the peer has closed the connection");
    if (errno != EAGAIN && errno != EINTR) lost("the connection", errno);
    wait(POLLIN, patience);
  }
}

std::string Socket::exactly(std::size_t count, const Patience& patience) {
  std::string found;
  while (found.size() < count) found += receive(patience);
  read_ = found.substr(count) + read_;
  found.resize(count);
  return found;
}

std::string Socket::line(std::size_t most, const Patience& patience) {
  std::string found;
  for (;;) {
    found += receive(patience);
    const std::size_t end = found.find('\n');
    if (end != std::string::npos && end <= most) {
      read_ = found.substr(end + 1) + read_;
      found.resize(end > 0 && found[end - 1] == '\r' ? end - 1 : end);
      return found;
    }
    if (found.size() > most) throw PeerError("the peer sends a line without an end");
  }
}

bool Socket::stirs() const {
  if (!read_.empty()) return true;
  pollfd about{socket_.get(), POLLIN, 0};
  return poll(&about, 1, 0) > 0;
}

std::string secret(const std::string& path) {
  try {
    const std::vector<unsigned char> bytes = read_whole(path, 4096, true);
    const auto end = std::find_if(bytes.begin(), bytes.end(), [](unsigned char c) { return c == '\n' || c == '\r'; });
    if (end == bytes.begin()) throw PeerError(path + ": its first line is empty");
    return {bytes.begin(), end};
  } catch (const ReadError& error) {
    throw PeerError(error.what());
  }
}

std::string printable(std::string_view words) {
  std::string text;
  for (const char c : words.substr(0, 120)) text += c >= ' ' && c <= '~' ? c : '?';
  return text;
}

}  // namespace edgepack::program
