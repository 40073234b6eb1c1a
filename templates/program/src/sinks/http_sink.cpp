#include "sinks/http_sink.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace edgepack::program {

namespace {

constexpr std::size_t longest_head_line = 8192, most_head_lines = 100, most_answer = 1U << 20U;

std::string small(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

/// The value of `name: value`, or empty; name in lower case, with its colon.
std::string value_of(const std::string& line, const std::string& name) {
  if (small(line.substr(0, name.size())) != name) return "";
  const std::size_t from = line.find_first_not_of(" \t", name.size());
  const std::size_t to = line.find_last_not_of(" \t");
  return from == std::string::npos ? "" : line.substr(from, to + 1 - from);
}

/// HTTP/1.1 as a client that asks one question at a time (RFC 9112), on a connection that is kept where the server
/// allows it.
class HttpPeer : public Peer {
 public:
  HttpPeer(std::string data, HttpSinkSays says) : data_(std::move(data)), says_(std::move(says)) {}

  void deliver(const std::vector<std::string>& lines, const std::atomic<bool>& end) override {
    const Patience patience(std::chrono::milliseconds(static_cast<long>(says_.timeout_s * 1000)), end);
    // A server may have closed what was kept; a new connection is none of its faults.
    if (socket_.open() && socket_.stirs()) leave();
    if (!socket_.open()) socket_ = Socket::to(says_.host, says_.port, patience);
    std::string body;
    for (const std::string& line : lines) body += line + "\n";
    socket_.send(head(body.size()) + body, patience);
    hear(patience);
  }

  void leave() override { socket_ = Socket(); }
  std::size_t most_lines() const override { return static_cast<std::size_t>(says_.most_lines); }

 private:
  std::string head(std::size_t body) const {
    const std::string host = says_.host.find(':') == std::string::npos ? says_.host : "[" + says_.host + "]";
    std::string text = "POST " + says_.target + " HTTP/1.1\r\nHost: " + host;
    if (says_.port != 80) text += ":" + std::to_string(says_.port);
    text += "\r\nContent-Type: application/x-ndjson\r\nContent-Length: " + std::to_string(body) + "\r\n";
    if (!says_.token_file.empty()) {
      const std::string path = says_.token_file[0] == '/' ? says_.token_file : data_ + "/" + says_.token_file;
      const std::string token = secret(path);
      if (std::any_of(token.begin(), token.end(), [](char c) { return c < ' ' || c > '~'; })) {
        throw PeerError(path + ": a token is of printable characters");
      }
      text += "Authorization: Bearer " + token + "\r\n";
    }
    return text + "\r\n";
  }

  void hear(const Patience& patience) {
    std::string first = socket_.line(longest_head_line, patience);
    // "100 Continue" was not asked for, but may come.
    for (int i = 0; i < 3 && first.compare(0, 9, "HTTP/1.1 ") == 0 && first[9] == '1'; ++i) {
      while (!socket_.line(longest_head_line, patience).empty()) continue;
      first = socket_.line(longest_head_line, patience);
    }
    const bool spoken = first.size() >= 12 && first.compare(0, 7, "HTTP/1.") == 0 && first[8] == ' ';
    const int status = spoken ? std::atoi(first.c_str() + 9) : 0;
    if (status < 200 || status > 599) throw PeerError("not an HTTP server: it says " + printable(first));
    Answer answer{first[7] == '1', false, -1, std::chrono::seconds(0)};
    std::size_t count = 0;
    for (std::string line; !(line = socket_.line(longest_head_line, patience)).empty();) {
      if (++count > most_head_lines) throw PeerError("an answer of more than 100 headers");
      read(line, answer);
    }
    if (status >= 200 && status <= 299) {
      drain(answer, status, patience);
      return;
    }
    throw PeerError("it answers " + printable(first.substr(9)), answer.after);
  }

  struct Answer {
    bool keeps, chunked;
    long long length;
    std::chrono::seconds after;
  };

  static void read(const std::string& line, Answer& answer) {
    const std::string length = value_of(line, "content-length:"), after = value_of(line, "retry-after:");
    if (!length.empty()) answer.length = std::atoll(length.c_str());
    if (!after.empty()) answer.after = std::chrono::seconds(std::max(0, std::atoi(after.c_str())));
    if (small(value_of(line, "connection:")).find("close") != std::string::npos) answer.keeps = false;
    if (!value_of(line, "transfer-encoding:").empty()) answer.chunked = true;
  }

  /// It has them: the rest of what it says matters to nobody, and the connection only where it is short.
  void drain(const Answer& answer, int status, const Patience& patience) {
    const bool none = status == 204 || answer.length == 0;
    const bool known = none || (answer.length > 0 && answer.length <= static_cast<long long>(most_answer));
    if (!answer.keeps || answer.chunked || !known) return leave();
    try {
      if (!none) socket_.exactly(static_cast<std::size_t>(answer.length), patience);
    } catch (const PeerError&) {
      leave();
    }
  }

  const std::string data_;
  const HttpSinkSays says_;
  Socket socket_;
};

}  // namespace

std::unique_ptr<Sink> http_sink(const std::string& data, const HttpSinkSays& says) {
  const std::string port = says.port == 80 ? "" : ":" + std::to_string(says.port);
  // Without the query, which may be a secret.
  const std::string shown = "http://" + says.host + port + says.target.substr(0, says.target.find('?'));
  return std::make_unique<SpooledSink>(data, says.spool, shown, std::make_unique<HttpPeer>(data, says));
}

}  // namespace edgepack::program
