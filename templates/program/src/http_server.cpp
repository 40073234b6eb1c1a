#include "http_server.hpp"

#include <algorithm>

namespace edgepack::program {

namespace {

const char* reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

std::string quoted(const std::string& words) {
  std::string text = "{\"error\":\"";
  for (const char c : words) text += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ? '\'' : c;
  return text + "\"}";
}

class Http : public Protocol {
 public:
  Http(Loop& loop, Connection& connection, const HttpLimits& limits, const HttpHandler& handler)
      : loop_(loop), connection_(connection), limits_(limits), handler_(handler), parser_(limits.body) {}

  void received(std::string_view bytes) override {
    if (!waiting_.empty() || busy_) {
      waiting_.append(bytes);
    } else {
      work(bytes);
    }
  }

  void answered(HttpResponse response) {
    if (!busy_) return;
    busy_ = false;
    if (draining_) keeps_ = false;
    write(response, keeps_, head_);
    if (!keeps_) return connection_.finish();
    began_ = Clock::now();
    connection_.read(true);
    const std::string more = std::exchange(waiting_, "");
    if (!more.empty()) work(more);
  }

  void drain() override {
    draining_ = true;
    if (!busy_ && !parser_.begun()) connection_.finish();
  }

  Clock::time_point deadline() const override {
    if (busy_) return Clock::time_point::max();  // ours to answer, not the peer's to hurry
    if (!parser_.begun()) return began_ + (first_ ? limits_.head : limits_.idle);
    if (parser_.state() != HttpParser::State::body) return began_ + limits_.head;
    const auto seconds = static_cast<long>(parser_.request.body.size() / std::max<std::size_t>(limits_.rate, 1));
    return began_ + limits_.head + std::chrono::seconds(10 + seconds);
  }

  bool expired() override {
    if (parser_.begun()) write({408, "application/json", quoted("the request did not come in time"), {}}, false, false);
    return true;
  }

 private:
  void work(std::string_view bytes) {
    while (!bytes.empty() && !busy_ && !finished_) {
      if (!parser_.begun()) began_ = Clock::now();
      const std::size_t body_before = parser_.request.body.size();
      const bool in_head = parser_.state() == HttpParser::State::head;
      bytes.remove_prefix(parser_.take(bytes));
      const std::size_t grown = parser_.request.body.size() - body_before;
      if (grown > 0) {
        if (!share_) share_ = std::make_shared<Budget::Share>(limits_.budget);
        if (!share_->grow(grown)) return refuse(503, "too many requests are being received: try again later");
      }
      if (parser_.state() == HttpParser::State::refused) {
        const std::string why = parser_.why();
        return refuse(parser_.status(), why);
      }
      if (in_head && parser_.expects() && parser_.state() == HttpParser::State::body) {
        connection_.send("HTTP/1.1 100 Continue\r\n\r\n");
      }
      if (parser_.state() == HttpParser::State::done) begin();
    }
    if (busy_) waiting_.append(bytes);
  }

  /// One request at a time: what a peer sends before its answer waits with the peer.
  void begin() {
    busy_ = true;
    keeps_ = parser_.keeps();
    head_ = parser_.request.method == "HEAD";
    first_ = false;
    HttpRequest request = std::move(parser_.request);
    if (head_) request.method = "GET";
    request.held = std::exchange(share_, nullptr);
    parser_ = HttpParser(limits_.body);
    connection_.read(false);
    handler_(std::move(request), HttpReply(loop_, connection_.id()));
  }

  void refuse(int status, const std::string& why) {
    finished_ = true;
    parser_ = HttpParser(limits_.body);
    share_.reset();
    HttpResponse response{status, "application/json", quoted(why), {}};
    if (status == 503) response.headers.emplace_back("Retry-After", "1");
    write(response, false, false);
    connection_.finish();
  }

  void write(const HttpResponse& response, bool keep, bool head) {
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " + reason(response.status) + "\r\n";
    if (response.status != 204) {
      text += "Content-Type: " + response.type + "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
    }
    for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
    text += keep ? "\r\n" : "Connection: close\r\n\r\n";
    connection_.send(text);
    if (!head && response.status != 204) connection_.send(response.body);
  }

  Loop& loop_;
  Connection& connection_;
  const HttpLimits& limits_;
  const HttpHandler& handler_;
  HttpParser parser_;
  std::string waiting_;  // came with the request before it
  Clock::time_point began_ = Clock::now();
  std::shared_ptr<Budget::Share> share_;
  bool busy_ = false, keeps_ = true, head_ = false, first_ = true, draining_ = false, finished_ = false;
};

}  // namespace

struct HttpReply::Once {
  Once(Loop& to, std::uint64_t id) : loop(to), connection(id) {}
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;
  ~Once() { send({500, "application/json", quoted("the request was not answered"), {}}); }

  void send(HttpResponse response) {
    if (sent.exchange(true)) return;
    auto held = std::make_shared<HttpResponse>(std::move(response));
    loop.post([&to = loop, id = connection, held] {
      if (auto* http = dynamic_cast<Http*>(to.find(id))) http->answered(std::move(*held));
    });
  }

  Loop& loop;
  std::uint64_t connection;
  std::atomic<bool> sent{false};
};

HttpReply::HttpReply(Loop& loop, std::uint64_t connection) : once_(std::make_shared<Once>(loop, connection)) {}

void HttpReply::send(HttpResponse response) const {
  if (once_) once_->send(std::move(response));
}

int serve_http(Loop& loop, const std::string& address, int port, HttpLimits limits, HttpHandler handler) {
  // Shared by the listener's connections, which end before the loop does.
  struct Shared {
    HttpLimits limits;
    HttpHandler handler;
  };
  auto shared = std::make_shared<Shared>(Shared{std::move(limits), std::move(handler)});
  return loop.listen(address, port, [&loop, shared](Connection& connection) {
    return std::make_unique<Http>(loop, connection, shared->limits, shared->handler);
  });
}

}  // namespace edgepack::program
