#include "sinks/http_sink.hpp"

#include <algorithm>
#include <utility>

#include "sinks/http_client.hpp"

namespace edgepack::program {

namespace {

class HttpPeer : public Peer {
 public:
  HttpPeer(std::string data, HttpSinkSays says)
      : data_(std::move(data)), says_(std::move(says)), client_(says_.host, says_.port) {}

  void deliver(const std::vector<std::string>& lines, const std::atomic<bool>& end) override {
    const Patience patience(std::chrono::milliseconds(static_cast<long>(says_.timeout_s * 1000)), end);
    std::string body;
    for (const std::string& line : lines) body += line + "\n";
    const HttpAnswered answered = client_.post(says_.target, headers(), body, patience);
    if (!answered.well()) throw PeerError("it answers " + answered.words, answered.after);
  }

  void leave() override { client_.leave(); }
  std::size_t most_lines() const override { return static_cast<std::size_t>(says_.most_lines); }

 private:
  std::string headers() const {
    std::string text = "Content-Type: application/x-ndjson\r\n";
    if (says_.token_file.empty()) return text;
    const std::string path = says_.token_file[0] == '/' ? says_.token_file : data_ + "/" + says_.token_file;
    const std::string token = secret(path);
    if (std::any_of(token.begin(), token.end(), [](char c) { return c < ' ' || c > '~'; })) {
      throw PeerError(path + ": a token is of printable characters");
    }
    return text + "Authorization: Bearer " + token + "\r\n";
  }

  const std::string data_;
  const HttpSinkSays says_;
  HttpClient client_;
};

}  // namespace

std::unique_ptr<Sink> http_sink(const std::string& data, const HttpSinkSays& says) {
  const std::string port = says.port == 80 ? "" : ":" + std::to_string(says.port);
  // Without the query, which may be a secret.
  const std::string shown = "http://" + says.host + port + says.target.substr(0, says.target.find('?'));
  return std::make_unique<SpooledSink>(data, says.spool, shown, std::make_unique<HttpPeer>(data, says));
}

}  // namespace edgepack::program
