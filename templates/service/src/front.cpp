#include "front.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "grpc_server.hpp"
#include "service_config.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t most_connections = 256;
constexpr std::size_t at_once = 4;  // requests of the largest size that may be in memory together

Fd connected(const std::string& address, int port) {
  sockaddr_in four{};
  sockaddr_in6 six{};
  const bool is_four = inet_pton(AF_INET, address.c_str(), &four.sin_addr) == 1;
  four.sin_family = AF_INET;
  four.sin_port = htons(static_cast<std::uint16_t>(port));
  six.sin6_family = AF_INET6;
  six.sin6_port = four.sin_port;
  if (!is_four && inet_pton(AF_INET6, address.c_str(), &six.sin6_addr) != 1) return {};
  Fd socket(::socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{10, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int failed = is_four ? connect(socket.get(), reinterpret_cast<sockaddr*>(&four), sizeof four)
                             : connect(socket.get(), reinterpret_cast<sockaddr*>(&six), sizeof six);
  return failed != 0 ? Fd() : std::move(socket);
}

std::size_t number_after(const std::string& text, const char* name, std::size_t end) {
  const std::size_t at = text.find(name);
  return at < end ? static_cast<std::size_t>(std::strtoull(text.c_str() + at + std::strlen(name), nullptr, 10)) : 0;
}

}  // namespace

std::string own_address() {
  if (service_config.address == "0.0.0.0") return "127.0.0.1";
  return service_config.address == "::" ? "::1" : service_config.address;
}

Asked ask(const std::string& address, int port, const std::string& method, const std::string& path,
          const std::vector<std::pair<std::string, std::string>>& headers, const std::string& body) {
  const Fd socket = connected(address, port);
  if (!socket.open()) return {};
  std::string text = method + " " + path + " HTTP/1.1\r\nHost: edgepack\r\nConnection: close\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  if (!write_all(socket.get(), text)) return {};
  std::string answer;
  char buffer[65536];
  std::size_t end = std::string::npos, whole = std::string::npos;
  while (answer.size() < whole) {
    const ssize_t got = ::read(socket.get(), buffer, sizeof buffer);
    if (got <= 0) return {};
    answer.append(buffer, static_cast<std::size_t>(got));
    if (end == std::string::npos && (end = answer.find("\r\n\r\n")) != std::string::npos) {
      whole = end + 4 + number_after(answer, "Content-Length: ", end);
    }
  }
  if (answer.compare(0, 9, "HTTP/1.1 ") != 0) return {};
  return {std::atoi(answer.c_str() + 9), answer.substr(end + 4),
          number_after(answer, "Inference-Header-Content-Length: ", end)};
}

Front::Front(const std::string& model_folder, Ports ports, Workers::Ear ear)
    : loop_(most_connections), service_(std::make_unique<Service>(model_folder, std::move(ear))) {
  HttpLimits limits;
  limits.body = service_config.request;
  limits.budget = std::make_shared<Budget>(std::min(service_config.request, SIZE_MAX / at_once) * at_once);
  try {
    http_ = serve_http(loop_, service_config.address, ports.http, limits, v2_over_http(*service_));
    if (ports.grpc >= 0) grpc_ = serve_grpc(loop_, service_config.address, ports.grpc, limits, *service_);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(std::string(error.what()) + " (service in edgepack.yaml says where it listens)");
  }
  thread_ = std::thread([this] { loop_.run(); });
}

void Front::end() {
  if (!thread_.joinable()) return;
  service_->drain();
  loop_.stop();
  thread_.join();
  service_.reset();  // its instances answer into the loop, which is there until then
}

bool Front::ready() const { return ask(own_address(), http_, "GET", "/v2/health/ready").status == 200; }

std::string Front::words() const {
  std::string text = "http on " + service_config.address + " port " + std::to_string(http_);
  if (grpc_ >= 0) text += ", grpc on port " + std::to_string(grpc_);
  return text + ", " + std::to_string(service_config.instances) + " instances";
}

}  // namespace edgepack::program
