#include "sinks/http_client.hpp"

#include <algorithm>
#include <cstdlib>

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

}  // namespace

/// How the answer's end is known.
struct HttpClient::Framing {
  bool keeps, chunked;
  long long length;
};

HttpAnswered HttpClient::post(const std::string& target, const std::string& headers, std::string_view body,
                              const Patience& patience) {
  // A server may have closed what was kept; a new connection is none of its faults.
  if (socket_.open() && socket_.stirs()) leave();
  if (!socket_.open()) socket_ = Socket::to(host_, port_, patience);
  const std::string host = host_.find(':') == std::string::npos ? host_ : "[" + host_ + "]";
  std::string head = "POST " + target + " HTTP/1.1\r\nHost: " + host;
  if (port_ != 80) head += ":" + std::to_string(port_);
  head += "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n";
  socket_.send(head, patience);
  socket_.send(body, patience);
  return hear(patience);
}

HttpAnswered HttpClient::hear(const Patience& patience) {
  std::string first = socket_.line(longest_head_line, patience);
  // "100 Continue" was not asked for, but may come.
  for (int i = 0; i < 3 && first.compare(0, 9, "HTTP/1.1 ") == 0 && first[9] == '1'; ++i) {
    while (!socket_.line(longest_head_line, patience).empty()) continue;
    first = socket_.line(longest_head_line, patience);
  }
  const bool spoken = first.size() >= 12 && first.compare(0, 7, "HTTP/1.") == 0 && first[8] == ' ';
  HttpAnswered answered;
  answered.status = spoken ? std::atoi(first.c_str() + 9) : 0;
  if (answered.status < 200 || answered.status > 599) throw PeerError("not an HTTP server: it says " + printable(first));
  answered.words = printable(first.substr(9));
  Framing framing{first[7] == '1', false, -1};
  std::size_t count = 0;
  for (std::string line; !(line = socket_.line(longest_head_line, patience)).empty();) {
    if (++count > most_head_lines) throw PeerError("an answer of more than 100 headers");
    read(line, framing, answered);
  }
  take_body(framing, answered, patience);
  return answered;
}

void HttpClient::read(const std::string& line, Framing& framing, HttpAnswered& answered) {
  const std::string length = value_of(line, "content-length:"), after = value_of(line, "retry-after:");
  if (!length.empty()) framing.length = std::atoll(length.c_str());
  if (!after.empty()) answered.after = std::chrono::seconds(std::max(0, std::atoi(after.c_str())));
  if (small(value_of(line, "connection:")).find("close") != std::string::npos) framing.keeps = false;
  if (!value_of(line, "transfer-encoding:").empty()) framing.chunked = true;
}

/// The status has been said: what is wrong with the rest costs the connection, and no more.
void HttpClient::take_body(const Framing& framing, HttpAnswered& answered, const Patience& patience) {
  const bool none = answered.status == 204 || framing.length == 0;
  const bool known = !framing.chunked && framing.length > 0 && framing.length <= static_cast<long long>(most_answer);
  try {
    if (!none && known) answered.body = socket_.exactly(static_cast<std::size_t>(framing.length), patience);
  } catch (const PeerError&) {
    return leave();
  }
  if (!framing.keeps || framing.chunked || !(none || known)) leave();
}

}  // namespace edgepack::program
