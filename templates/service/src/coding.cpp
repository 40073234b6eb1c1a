#include "coding.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>

#include "v2.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t piece = 1 << 16;
constexpr std::size_t worth_it = 512;  // bytes: below that a head and a table are more than what is saved
constexpr int window = 15, gzip_too = 16, level = 1, memory = 8;

int window_of(Coding coding) { return coding == Coding::gzip ? window + gzip_too : window; }

std::string low(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  std::string word(text);
  for (char& c : word) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return word;
}

/// Whether `q=0`, which is a refusal. What is no number is taken for 1.
bool refused(std::string_view weight) {
  const std::string text = low(weight);
  if (text.compare(0, 2, "q=") != 0) return false;
  char* end = nullptr;
  const double value = std::strtod(text.c_str() + 2, &end);
  return end != text.c_str() + 2 && !(value > 0);
}

uInt room(std::size_t left) { return static_cast<uInt>(std::min<std::size_t>(left, std::numeric_limits<uInt>::max())); }

Bytef* bytes_of(std::string_view text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); }

}  // namespace

std::optional<Coding> coding_named(const std::string& name) {
  const std::string word = low(name);
  if (word == "gzip" || word == "x-gzip") return Coding::gzip;
  if (word == "deflate") return Coding::deflate;
  return word.empty() || word == "identity" ? std::optional(Coding::none) : std::nullopt;
}

const char* name_of(Coding coding) { return coding == Coding::gzip ? "gzip" : "deflate"; }

Coding coding_accepted(const std::string& accepts) {
  bool gzip = false, deflate = false, gzip_said = false, any = false;
  for (std::string_view rest = accepts; !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view one = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const std::size_t mark = std::min(one.find(';'), one.size());
    const std::string word = low(one.substr(0, mark));
    const bool taken = mark == one.size() || !refused(one.substr(mark + 1));
    if (word == "gzip" || word == "x-gzip") gzip = taken, gzip_said = true;
    if (word == "deflate") deflate = taken;
    if (word == "*") any = taken;
  }
  if (gzip || (any && !gzip_said)) return Coding::gzip;
  return deflate ? Coding::deflate : Coding::none;
}

std::string unpacked(std::string_view packed, Coding coding, std::size_t most, const std::function<bool(std::size_t)>& grow) {
  z_stream stream{};
  if (inflateInit2(&stream, window_of(coding)) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> held(&stream, inflateEnd);
  const auto wrong = [&](const char* why) {
    throw Refusal(Why::invalid, std::string("the body is not ") + name_of(coding) + " as Content-Encoding says: " + why);
  };
  std::string body;
  stream.next_in = bytes_of(packed);
  std::size_t left = packed.size();
  for (int said = Z_OK; said != Z_STREAM_END;) {
    const uInt given = stream.avail_in = room(left);
    const std::size_t before = body.size();
    // One byte more than there may be tells a body that is too large from one that is just not.
    const std::size_t more = std::min(piece, most + 1 - before);
    if (!grow(more)) throw Refusal(Why::busy, "too many requests are being received: try again later");
    body.resize(before + more);
    stream.next_out = bytes_of(std::string_view(body).substr(before));
    stream.avail_out = static_cast<uInt>(more);
    said = inflate(&stream, Z_NO_FLUSH);
    left -= given - stream.avail_in;
    body.resize(before + more - stream.avail_out);
    if (body.size() > most) throw Refusal(Why::large, "the unpacked body is larger than " + std::to_string(most) + " bytes");
    if (said == Z_MEM_ERROR) throw std::bad_alloc();
    if (said == Z_BUF_ERROR || (said == Z_OK && left == 0 && stream.avail_out > 0)) wrong("it is cut off");
    if (said != Z_OK && said != Z_STREAM_END) wrong("it is damaged");
  }
  if (left > 0) wrong("more follows after its end");
  return body;
}

std::optional<std::string> packed(std::string_view body, Coding coding) {
  if (coding == Coding::none || body.size() < worth_it || body.size() > std::numeric_limits<uInt>::max()) return std::nullopt;
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, window_of(coding), memory, Z_DEFAULT_STRATEGY) != Z_OK) return std::nullopt;
  const std::unique_ptr<z_stream, int (*)(z_stream*)> held(&stream, deflateEnd);
  std::string made(deflateBound(&stream, static_cast<uLong>(body.size())), '\0');
  stream.next_in = bytes_of(body);
  stream.avail_in = room(body.size());
  stream.next_out = bytes_of(made);
  stream.avail_out = room(made.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return std::nullopt;
  made.resize(made.size() - stream.avail_out);
  return made.size() < body.size() ? std::optional(std::move(made)) : std::nullopt;
}

}  // namespace edgepack::program
