// HTTP/1.1 as a server reads it (RFC 9112), strictly: what two programs could read in two ways is refused.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace edgepack::program {

/// What somebody asked. Header names are in lower case.
struct HttpRequest {
  std::string method;
  std::string path;   // percent-decoded, without the query
  std::string query;  // as it came
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::shared_ptr<void> held;  // what is given back when nobody has the request any more

  /// The first header of that name, which is given in lower case, or nullptr.
  const std::string* header(std::string_view name) const;
};

/// Takes a request in pieces, as they come from the network.
class HttpParser {
 public:
  enum class State { head, body, done, refused };

  /// most_body: bytes. The head has at most 16 KiB and 100 headers.
  explicit HttpParser(std::size_t most_body) : most_body_(most_body) {}

  /// Takes what belongs to this request; returns how many bytes that was. The rest is the next one's.
  std::size_t take(std::string_view bytes);

  State state() const { return state_; }
  /// Where it is refused: the status to answer with, and why.
  int status() const { return status_; }
  const std::string& why() const { return why_; }

  /// Whether the peer waits for "100 Continue" before it sends the body.
  bool expects() const { return expects_; }
  /// Whether another request may come on this connection.
  bool keeps() const { return keeps_; }
  /// Whether anything of a request has come.
  bool begun() const { return state_ != State::head || !text_.empty(); }

  HttpRequest request;

 private:
  enum class Chunk { none, size, data, after, trailer };

  void refuse(int status, const std::string& why);
  bool head();
  bool request_line(std::string_view line);
  bool target(std::string_view text);
  bool header(std::string_view line);
  bool framing();
  std::size_t line(std::string_view bytes, std::size_t most);
  std::size_t chunked(std::string_view bytes);
  void chunk_line();

  std::size_t most_body_;
  State state_ = State::head;
  int status_ = 0;
  std::string why_, text_;
  bool expects_ = false, keeps_ = true, whole_line_ = false;
  int minor_ = 1;
  Chunk chunk_ = Chunk::none;
  std::size_t left_ = 0, trailers_ = 0;
};

}  // namespace edgepack::program
