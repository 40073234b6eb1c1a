#include "npy.hpp"

#include <cstring>
#include <limits>

namespace edgepack::program {

namespace {

constexpr std::size_t header_limit = 64 * 1024;
constexpr std::size_t rank_limit = 8;

/// Reads the header's Python dict: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  HeaderParser(const std::string& text, const std::string& path) : text_(text), path_(path) {}

  void parse() {
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        descr = quoted();
      } else if (key == "fortran_order") {
        fortran = truth();
      } else if (key == "shape") {
        shape = tuple();
        has_shape = true;
      } else {
        fail("key '" + key + "'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("text after the header");
    if (descr.empty() || !has_shape) fail("no descr or no shape");
  }

  std::string descr;
  bool fortran = false;
  bool has_shape = false;
  std::vector<std::size_t> shape;

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw ReadError(path_ + ": not a .npy header that can be read (" + what + ")");
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }

  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(std::string("no '") + c + "' where one belongs");
  }

  std::string quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail("no quoted word where one belongs");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string::npos) fail("a quote is not closed");
    std::string word = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return word;
  }

  bool truth() {
    skip_space();
    for (const char* word : {"True", "False"}) {
      if (text_.compare(at_, std::strlen(word), word) == 0) {
        at_ += std::strlen(word);
        return word[0] == 'T';
      }
    }
    fail("fortran_order is neither True nor False");
  }

  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> sizes;
    expect('(');
    while (!accept(')')) {
      if (sizes.size() == rank_limit) fail("more than 8 axes");
      sizes.push_back(natural());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  std::size_t natural() {
    skip_space();
    std::size_t value = 0, digits = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_, ++digits) {
      const auto digit = static_cast<std::size_t>(text_[at_] - '0');
      if (value > (std::numeric_limits<std::size_t>::max() - digit) / 10) fail("an axis is too long");
      value = value * 10 + digit;
    }
    if (digits == 0) fail("an axis is not a whole number");
    return value;
  }

  const std::string& text_;
  const std::string& path_;
  std::size_t at_ = 0;
};

std::size_t product(std::size_t a, std::size_t b, const std::string& path) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / b) throw ReadError(path + ": its shape is too large");
  return a * b;
}

NpyArray::Type type_of(const std::string& descr, const std::string& path) {
  if (descr == "|u1" || descr == "u1" || descr == "<u1") return NpyArray::Type::uint8;
  if (descr == "<f4") return NpyArray::Type::float32;
  if (descr == "<i8") return NpyArray::Type::int64;
  throw ReadError(path + ": type '" + descr + "'; uint8, float32 and int64 (little endian) are read");
}

std::size_t element_size(NpyArray::Type type) {
  if (type == NpyArray::Type::uint8) return 1;
  return type == NpyArray::Type::float32 ? 4 : 8;
}

}  // namespace

NpyArray::NpyArray(const std::string& path) : path_(path), file_(open_regular(path, true)) {
  const std::size_t size = size_of(file_, path);
  unsigned char start[12] = {};
  if (size < sizeof start) throw ReadError(path + ": too short for a .npy file");
  read_at(file_, path, 0, start, sizeof start);
  if (std::memcmp(start, "\x93NUMPY", 6) != 0) throw ReadError(path + ": not a .npy file");
  if (start[6] < 1 || start[6] > 3) throw ReadError(path + ": .npy version " + std::to_string(start[6]));
  std::size_t length = start[8] | static_cast<std::size_t>(start[9]) << 8U;
  std::size_t header_at = 10;
  if (start[6] > 1) {
    length |= static_cast<std::size_t>(start[10]) << 16U | static_cast<std::size_t>(start[11]) << 24U;
    header_at = 12;
  }
  if (length > header_limit || length > size - header_at) throw ReadError(path + ": its header is cut off");
  std::string header(length, '\0');
  read_at(file_, path, header_at, header.data(), length);
  HeaderParser parser(header, path);
  parser.parse();
  if (parser.fortran) throw ReadError(path + ": in Fortran order; save it with numpy.ascontiguousarray");
  if (parser.shape.empty()) throw ReadError(path + ": a single number; the first axis counts the samples");
  type_ = type_of(parser.descr, path);
  shape_ = parser.shape;
  row_elements_ = 1;
  for (std::size_t i = 1; i < shape_.size(); ++i) row_elements_ = product(row_elements_, shape_[i], path);
  data_at_ = header_at + length;
  const std::size_t expected = product(product(row_elements_, element_size(type_), path), shape_[0], path);
  if (size - data_at_ != expected) {
    throw ReadError(path + ": " + std::to_string(size - data_at_) + " bytes of data, its shape needs " +
                    std::to_string(expected));
  }
}

template <class Element>
std::vector<Element> NpyArray::row(std::size_t n, Type type) const {
  if (type != type_) throw ReadError(path_ + ": its numbers are of another type than they must be");
  if (n >= rows()) throw ReadError(path_ + ": has no row " + std::to_string(n));
  std::vector<Element> values(row_elements_);
  const std::size_t row_bytes = row_elements_ * sizeof(Element);
  read_at(file_, path_, data_at_ + n * row_bytes, values.data(), row_bytes);
  return values;
}

std::vector<std::uint8_t> NpyArray::bytes(std::size_t n) const { return row<std::uint8_t>(n, Type::uint8); }
std::vector<float> NpyArray::floats(std::size_t n) const { return row<float>(n, Type::float32); }
std::vector<std::int64_t> NpyArray::integers(std::size_t n) const { return row<std::int64_t>(n, Type::int64); }

}  // namespace edgepack::program
