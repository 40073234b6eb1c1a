// HTTP/1.1 as a client that asks one question at a time (RFC 9112), on a connection that is kept where the server
// allows it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "sinks/socket.hpp"

namespace edgepack::program {

/// What a server said. words: its status and the reason, printable. body: what of it could be read, else empty.
struct HttpAnswered {
  int status = 0;
  std::string words, body;
  std::chrono::seconds after{0};  // when it wants to be asked again, where it said so

  bool well() const { return status >= 200 && status <= 299; }
};

class HttpClient {
 public:
  HttpClient(std::string host, int port) : host_(std::move(host)), port_(port) {}

  /// headers: besides the host and the length, each with its line end. Throws PeerError where no answer comes; the
  /// connection is to be left then.
  HttpAnswered post(const std::string& target, const std::string& headers, std::string_view body, const Patience& patience);

  void leave() { socket_ = Socket(); }

 private:
  struct Framing;
  HttpAnswered hear(const Patience& patience);
  static void read(const std::string& line, Framing& framing, HttpAnswered& answered);
  void take_body(const Framing& framing, HttpAnswered& answered, const Patience& patience);

  const std::string host_;
  const int port_;
  Socket socket_;
};

}  // namespace edgepack::program
