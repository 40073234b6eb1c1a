#include "http_parser.hpp"

#include <algorithm>
#include <cstdint>

namespace edgepack::program {

namespace {

constexpr std::size_t most_head = 16384, most_headers = 100, most_line = 1024, most_trailers = 8192;

bool token_char(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool token(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), token_char); }

std::string lower(std::string_view text) {
  std::string low(text);
  for (char& c : low) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return low;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// A word of a comma-separated list, in any case.
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (lower(trimmed(list.substr(0, comma))) == word) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

const std::string* HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

void HttpParser::refuse(int status, const std::string& why) {
  state_ = State::refused;
  keeps_ = false;
  status_ = status;
  why_ = why;
}

std::size_t HttpParser::take(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && (state_ == State::head || state_ == State::body)) {
    const std::string_view rest = bytes.substr(taken);
    if (state_ == State::body && chunk_ != Chunk::none) {
      taken += chunked(rest);
    } else if (state_ == State::body) {
      const std::size_t count = std::min(left_, rest.size());
      request.body.append(rest.substr(0, count));
      left_ -= count;
      taken += count;
      if (left_ == 0) state_ = State::done;
    } else {
      // Up to the end of the head and no further: text_ ends with an empty line there.
      std::size_t count = 0;
      bool whole = false;
      while (count < rest.size() && !whole && text_.size() < most_head) {
        text_ += rest[count++];
        if (text_.back() == '\n' && (text_.size() < 2 || text_[text_.size() - 2] != '\r')) {
          refuse(400, "a line of the head does not end with CR LF");
          return taken + count;
        }
        whole = text_.size() >= 4 && text_.back() == '\n' && text_.compare(text_.size() - 4, 4, "\r\n\r\n") == 0;
        // An empty line before a request is forgiven (RFC 9112, 2.2).
        if (text_ == "\r\n") text_.clear();
      }
      taken += count;
      if (whole) {
        if (head()) state_ = left_ > 0 || chunk_ != Chunk::none ? State::body : State::done;
      } else if (text_.size() >= most_head) {
        refuse(431, "the head of the request is larger than 16 KiB");
      }
    }
  }
  return taken;
}

bool HttpParser::head() {
  std::string_view text(text_.data(), text_.size() - 2);
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    const std::string_view one = text.substr(0, end);
    // A lone CR or LF is another line's end to some, and none to others.
    if (one.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      refuse(400, "a line of the head has a control character");
      return false;
    }
    if (!(first ? request_line(one) : header(one))) return false;
    first = false;
    text.remove_prefix(end + 2);
  }
  text_.clear();
  return framing();
}

bool HttpParser::request_line(std::string_view line) {
  const std::size_t one = line.find(' ');
  const std::size_t two = one == std::string_view::npos ? one : line.find(' ', one + 1);
  if (two == std::string_view::npos || !token(line.substr(0, one)) || one > 16) {
    refuse(400, "the first line is not METHOD PATH HTTP/1.1");
    return false;
  }
  const std::string_view version = line.substr(two + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    const bool other = version.size() == 8 && version.substr(0, 5) == "HTTP/" && version[6] == '.';
    refuse(other ? 505 : 400, "the version of HTTP is not 1.1");
    return false;
  }
  minor_ = version.back() - '0';
  keeps_ = minor_ == 1;
  request.method = std::string(line.substr(0, one));
  return target(line.substr(one + 1, two - one - 1));
}

/// In the form of `/path?query`; a proxy's whole address is none of ours.
bool HttpParser::target(std::string_view text) {
  const auto fit = [](char c) { return c > 0x20 && c < 0x7F; };
  if (text.empty() || text.front() != '/' || !std::all_of(text.begin(), text.end(), fit)) {
    refuse(400, "the path does not begin with / or has characters that must be percent-encoded");
    return false;
  }
  const std::size_t mark = std::min(text.find('?'), text.size());
  if (mark < text.size()) request.query = std::string(text.substr(mark + 1));
  for (std::size_t i = 0; i < mark; ++i) {
    if (text[i] != '%') {
      request.path += text[i];
      continue;
    }
    const int high = i + 2 < mark ? hex(text[i + 1]) : -1, low = i + 2 < mark ? hex(text[i + 2]) : -1;
    if (high < 0 || low < 0 || (high == 0 && low == 0)) {
      refuse(400, "the path has a % that is not followed by a character's number");
      return false;
    }
    request.path += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

bool HttpParser::header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !token(line.substr(0, colon))) {
    refuse(400, "a header is not NAME: VALUE");
    return false;
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  const auto control = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; };
  if (std::any_of(value.begin(), value.end(), control)) {
    refuse(400, "a header's value has a control character");
    return false;
  }
  if (request.headers.size() == most_headers) {
    refuse(431, "more than 100 headers");
    return false;
  }
  request.headers.emplace_back(lower(line.substr(0, colon)), std::string(value));
  return true;
}

/// How long the body is, by exactly one of two ways: where they differ, requests can be smuggled.
bool HttpParser::framing() {
  std::size_t hosts = 0, lengths = 0, encodings = 0;
  for (const auto& [name, value] : request.headers) {
    if (name == "host") ++hosts;
    if (name == "connection" && has_word(value, "close")) keeps_ = false;
    if (name == "transfer-encoding") {
      ++encodings;
      if (lower(value) != "chunked" || minor_ == 0) return refuse(501, "a transfer encoding other than chunked"), false;
      chunk_ = Chunk::size;
    }
    if (name == "content-length") {
      ++lengths;
      const auto digit = [](char c) { return c >= '0' && c <= '9'; };
      if (value.empty() || !std::all_of(value.begin(), value.end(), digit)) {
        return refuse(400, "Content-Length is not a number"), false;
      }
      // In 64 bits also where a size has 32: what is too large must not become small.
      const std::uint64_t length = value.size() > 15 ? UINT64_MAX : std::stoull(value);
      if (length > most_body_) {
        return refuse(413, "the body is larger than " + std::to_string(most_body_) + " bytes"), false;
      }
      left_ = static_cast<std::size_t>(length);
    }
    if (name == "expect") {
      if (lower(value) != "100-continue") return refuse(417, "Expect is not 100-continue"), false;
      expects_ = minor_ == 1;
    }
  }
  if (minor_ == 1 && hosts != 1) return refuse(400, "a request has one Host"), false;
  if (lengths > 1 || encodings > 1 || (lengths == 1 && encodings == 1)) {
    return refuse(400, "the body's length is said more than once"), false;
  }
  if (left_ == 0 && chunk_ == Chunk::none) expects_ = false;
  return true;
}

/// Bytes up to the end of a line, kept in text_; sets whole_line_.
std::size_t HttpParser::line(std::string_view bytes, std::size_t most) {
  const std::size_t end = bytes.find('\n');
  const std::size_t count = std::min(end == std::string_view::npos ? bytes.size() : end + 1, most + 1 - text_.size());
  text_.append(bytes.substr(0, count));
  whole_line_ = false;
  if (text_.size() > most) {
    refuse(400, "a line between chunks is too long");
  } else if (text_.back() == '\n') {
    if (text_.size() < 2 || text_[text_.size() - 2] != '\r') {
      refuse(400, "a line between chunks does not end with CR LF");
    } else {
      text_.resize(text_.size() - 2);
      whole_line_ = true;
    }
  }
  return count;
}

std::size_t HttpParser::chunked(std::string_view bytes) {
  if (chunk_ == Chunk::data) {
    const std::size_t count = std::min(left_, bytes.size());
    request.body.append(bytes.substr(0, count));
    left_ -= count;
    if (left_ == 0) chunk_ = Chunk::after;
    return count;
  }
  const std::size_t count = line(bytes, most_line);
  if (whole_line_ && state_ == State::body) chunk_line();
  return count;
}

void HttpParser::chunk_line() {
  const std::string text = std::exchange(text_, "");
  if (chunk_ == Chunk::after) {
    if (!text.empty()) return refuse(400, "a chunk is longer than it said");
    chunk_ = Chunk::size;
  } else if (chunk_ == Chunk::trailer) {
    trailers_ += text.size() + 2;
    if (trailers_ > most_trailers) return refuse(431, "the trailers are too long");
    if (text.empty()) state_ = State::done;  // trailers say nothing that is used here
  } else {
    const std::string_view digits = trimmed(std::string_view(text).substr(0, text.find(';')));
    std::uint64_t size = 0;
    for (const char c : digits) {
      if (hex(c) < 0) return refuse(400, "the size of a chunk is not a number");
      size = size * 16 + static_cast<std::uint64_t>(hex(c));
      if (size > most_body_) break;
    }
    if (digits.empty()) return refuse(400, "the size of a chunk is not a number");
    if (size > most_body_ - request.body.size()) {
      return refuse(413, "the body is larger than " + std::to_string(most_body_) + " bytes");
    }
    left_ = static_cast<std::size_t>(size);
    chunk_ = size == 0 ? Chunk::trailer : Chunk::data;
  }
}

}  // namespace edgepack::program
