#include "metrics.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "file.hpp"
#include "http_server.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t longest_answer = 16384;

HttpResponse told(Status& status, const HttpRequest& request) {
  const std::string plain = "text/plain; charset=utf-8";
  if (request.path != "/metrics" && request.path != "/healthz") {
    return {404, plain, "there are /metrics and /healthz\n"};
  }
  if (request.method != "GET") return {405, plain, "only GET\n", {{"allow", "GET"}}};
  // https://prometheus.io/docs/instrumenting/exposition_formats/
  if (request.path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", status.prometheus()};
  const std::string trouble = status.trouble();
  return {trouble.empty() ? 200 : 503, plain, (trouble.empty() ? "ok" : trouble) + "\n"};
}

}  // namespace

std::string trouble_told_at(const std::string& address, int port) {
  // Who listens everywhere answers here too.
  const std::string host = address == "0.0.0.0" ? "127.0.0.1" : address == "::" ? "::1" : address;
  const std::string at = host + " port " + std::to_string(port) + ": ";
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  if (const int no = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found)) return at + gai_strerror(no);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  const Fd peer(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{5, 0};  // a program that is busy answers all the same: it has a thread for that
  setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(peer.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const std::string ask = "GET /healthz HTTP/1.1\r\nhost: " + host + "\r\nconnection: close\r\n\r\n";
  if (connect(peer.get(), found->ai_addr, found->ai_addrlen) != 0) return at + std::strerror(errno);
  if (send(peer.get(), ask.data(), ask.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(ask.size())) return at + std::strerror(errno);
  std::string said;
  char some[1024];
  ssize_t got = 0;
  while (said.size() < longest_answer && (got = recv(peer.get(), some, sizeof some, 0)) > 0) {
    said.append(some, static_cast<std::size_t>(got));
  }
  if (said.compare(0, 5, "HTTP/") != 0) return at + (got < 0 ? std::strerror(errno) : "what answers there is no HTTP server");
  if (said.compare(8, 5, " 200 ") == 0) return "";
  const std::size_t body = said.find("\r\n\r\n");
  return at + (body == std::string::npos ? said.substr(0, said.find('\r')) : said.substr(body + 4, said.find('\n', body + 4) - body - 4));
}

Metrics::Metrics(Status& status, const std::string& address, int port) {
  loop_.grace(std::chrono::milliseconds(1000));
  serve_http(loop_, address, port, {},
             [&status](const HttpRequest& request, const HttpReply& reply) { reply.send(told(status, request)); });
  thread_ = std::thread([this] { loop_.run(); });
}

Metrics::~Metrics() {
  loop_.stop();
  thread_.join();
}

}  // namespace edgepack::program
