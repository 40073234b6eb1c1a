// HTTP/1.1 for whoever has something to tell or to be asked: metrics, health, pictures, the service.
//
//   Loop loop(64);
//   const int port = serve_http(loop, "127.0.0.1", 9090, {}, [](HttpRequest request, HttpReply reply) {
//     if (request.path == "/healthz") return reply.send({200, "text/plain", "ok\n"});
//     reply.send({404, "text/plain", "there is no " + request.path + "\n"});
//   });
//   std::thread thread([&] { loop.run(); });   // …; loop.stop(); thread.join();
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "event_loop.hpp"
#include "http_parser.hpp"

namespace edgepack::program {

struct HttpResponse {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers{};  // besides the type and the length
};

/// Bytes of requests in memory, of all connections together: many peers with large bodies are refused, and
/// not the box's memory filled.
class Budget {
 public:
  explicit Budget(std::size_t most) : left_(most) {}
  bool take(std::size_t bytes) {
    std::size_t left = left_;
    while (left >= bytes) {
      if (left_.compare_exchange_weak(left, left - bytes)) return true;
    }
    return false;
  }
  void give(std::size_t bytes) { left_ += bytes; }

  /// What one request has taken: given back with it, wherever it has gone by then.
  struct Share {
    explicit Share(std::shared_ptr<Budget> from) : budget(std::move(from)) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { budget->give(bytes); }
    bool grow(std::size_t more) {
      if (!budget->take(more)) return false;
      bytes += more;
      return true;
    }

    std::shared_ptr<Budget> budget;
    std::size_t bytes = 0;
  };

 private:
  std::atomic<std::size_t> left_;
};

/// What a peer may take. The defaults are for small questions.
struct HttpLimits {
  std::size_t body = 1 << 20;
  std::shared_ptr<Budget> budget = std::make_shared<Budget>(16 << 20);
  std::chrono::milliseconds head{10000};  // from a connection's or a request's first byte to the end of its head
  std::chrono::milliseconds idle{75000};  // between two requests
  std::size_t rate = 16384;               // bytes a second of a body at least, after 10 seconds
};

/// The way back to who asked; of any thread, and for any time. One that is dropped unused answers 500.
class HttpReply {
 public:
  HttpReply() = default;
  HttpReply(Loop& loop, std::uint64_t connection);
  /// The first answer counts. Nobody is told where the peer has gone.
  void send(HttpResponse response) const;

 private:
  struct Once;
  std::shared_ptr<Once> once_;
};

/// On the loop's thread: what takes long is another thread's work.
using HttpHandler = std::function<void(HttpRequest, HttpReply)>;

/// Serves there once the loop runs; returns the port. Throws std::runtime_error.
int serve_http(Loop& loop, const std::string& address, int port, HttpLimits limits, HttpHandler handler);

}  // namespace edgepack::program
