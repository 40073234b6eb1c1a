#include "sinks/mail_text.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>

#include "json.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t longest_subject = 150, wrapped_at = 76;  // RFC 2045, 6.7 and 6.8
constexpr std::size_t word_bytes = 39;                           // of an encoded word: with "Subject: " 73 characters
constexpr char crlf[] = "\r\n";

/// As much of UTF-8 as fits, without half a character at the end.
std::size_t whole_characters(const std::string& text, std::size_t from, std::size_t most) {
  if (from + most >= text.size()) return text.size() - from;
  std::size_t count = most;
  while (count > 0 && (static_cast<unsigned char>(text[from + count]) & 0xC0U) == 0x80U) --count;
  return count > 0 ? count : most;
}

/// A header's value: as it is where that is plain, else in encoded words (RFC 2047).
std::string header_text(const std::string& text) {
  bool plain = text.size() <= 60 && text.find("=?") == std::string::npos;
  for (const char c : text) plain = plain && c >= ' ' && c <= '~';
  if (plain) return text;
  std::string made;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t count = whole_characters(text, at, word_bytes);
    if (at > 0) made += std::string(crlf) + " ";
    made += "=?UTF-8?B?" + base64(text.substr(at, count)) + "?=";
    at += count;
  }
  return made;
}

/// "Sat, 21 Nov 2026 22:30:00 +0000", whatever the box's language is.
std::string date(double utc) {
  const char* const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  const char* const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const bool known = std::isfinite(utc) && utc >= 0 && utc < 253402300800.0;  // the year 10000
  const auto seconds = static_cast<std::time_t>(known ? utc : 0.0);
  std::tm when{};
  gmtime_r(&seconds, &when);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %d %s %d %02d:%02d:%02d +0000", days[when.tm_wday % 7], when.tm_mday,
                months[when.tm_mon % 12], when.tm_year + 1900, when.tm_hour, when.tm_min, when.tm_sec);
  return text;
}

/// Quoted-printable (RFC 2045, 6.7): readable where it is ASCII, and no line of it is too long for a relay.
std::string quoted_printable(const std::string& text) {
  std::string made, line;
  const auto put = [&](const std::string& piece) {
    if (line.size() + piece.size() > wrapped_at - 1) {
      made += line + "=" + crlf;
      line.clear();
    }
    line += piece;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      made += line + crlf;
      line.clear();
      continue;
    }
    const bool last = i + 1 == text.size() || text[i + 1] == '\n';
    if ((c > ' ' && c <= '~' && c != '=') || (c == ' ' && !last)) {
      put(std::string(1, c));
      continue;
    }
    char code[8];
    std::snprintf(code, sizeof code, "=%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
    put(code);
  }
  return made + line;
}

std::string in_lines(const std::string& text) {
  std::string made;
  for (std::size_t at = 0; at < text.size(); at += wrapped_at) made += (at > 0 ? crlf : "") + text.substr(at, wrapped_at);
  return made;
}

std::string kind_of_file(const std::string& name) {
  const std::string ending = name.substr(name.rfind('.') + 1);
  if (ending == "jpg") return "image/jpeg";
  return ending == "png" ? "image/png" : "image/x-portable-anymap";
}

}  // namespace

std::string base64(const std::string& bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string made;
  made.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t j = 0; j < 3; ++j) three = three << 8U | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) {
      made += i + j < bytes.size() + 1 ? digits[three >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return made;
}

std::string filled(const std::string& pattern, const std::string& host, const std::string& file, const Record& record) {
  std::string text;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    const std::size_t close = pattern[at] == '{' ? pattern.find('}', at) : std::string::npos;
    if (close == std::string::npos) {
      text += pattern[at];
      continue;
    }
    const std::string name = pattern.substr(at + 1, close - at - 1);
    const Record::Value* value = record.find(name);
    const auto* words = value == nullptr ? nullptr : std::get_if<std::string>(value);
    if (name == "host" || name == "file") {
      text += name == "host" ? host : file;
    } else {
      text += value == nullptr ? "-" : words != nullptr ? *words : Json().value(*value).text();
    }
    at = close;
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20U || c == 0x7F) c = ' ';
  }
  // JSON's writer makes UTF-8 of what is not; what it escapes of the rest is taken back.
  const std::string quoted = Json().string(text).text();
  std::string made;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] == '\\') ++i;
    made += quoted[i];
  }
  return made.substr(0, whole_characters(made, 0, longest_subject));
}

std::string mail_of(const Letter& letter) {
  std::string to;
  for (const std::string& one : letter.to) to += (to.empty() ? "" : std::string(",") + crlf + " ") + "<" + one + ">";
  std::string mail = "Date: " + date(letter.utc) + crlf + "From: <" + letter.sender + ">" + crlf + "To: " + to + crlf;
  mail += "Subject: " + header_text(letter.subject) + crlf + "Message-ID: <" + letter.id + "@" + letter.host + ">" + crlf;
  // Nobody's holiday notice is to answer a box (RFC 3834).
  mail += std::string("Auto-Submitted: auto-generated") + crlf + "MIME-Version: 1.0" + crlf;
  const std::string part = std::string("Content-Type: text/plain; charset=utf-8") + crlf +
                           "Content-Transfer-Encoding: quoted-printable" + crlf + crlf + quoted_printable(letter.text) + crlf;
  if (letter.picture.empty()) return mail + part;
  const std::string border = "=_" + letter.id;  // "=_" is in no line of either encoding
  mail += "Content-Type: multipart/mixed; boundary=\"" + border + "\"" + crlf + crlf + "--" + border + crlf + part + "--" + border + crlf + "Content-Type: " + kind_of_file(letter.picture_name) + crlf;
  mail += std::string("Content-Transfer-Encoding: base64") + crlf;
  mail += "Content-Disposition: attachment; filename=\"" + letter.picture_name + "\"" + crlf + crlf;
  return mail + in_lines(base64(letter.picture)) + crlf + "--" + border + "--" + crlf;
}

}  // namespace edgepack::program
