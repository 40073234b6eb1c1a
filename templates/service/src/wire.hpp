// Protocol Buffers' wire format, as far as the protocol's dozen messages need it.
// https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "v2.hpp"

namespace edgepack::program::wire {

/// One field of a message: its number, and its value by its kind on the wire.
struct Field {
  enum Kind { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };
  std::uint32_t number = 0;
  Kind kind = varint;
  std::uint64_t value = 0;  // of varint, fixed64, fixed32
  std::string_view text;    // of bytes: into the message, not copied
};

/// Goes through a message's fields. Throws Refusal where it is cut off or is not one.
class Reader {
 public:
  explicit Reader(std::string_view message) : rest_(message) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint(rest_);
    field.number = static_cast<std::uint32_t>(tag >> 3U);
    if (tag >> 32U != 0 || field.number == 0) bad();
    switch (tag & 7U) {
      case Field::varint: field.kind = Field::varint; field.value = varint(rest_); break;
      case Field::fixed64: field.kind = Field::fixed64; field.value = fixed(8); break;
      case Field::fixed32: field.kind = Field::fixed32; field.value = fixed(4); break;
      case Field::bytes: {
        field.kind = Field::bytes;
        const std::uint64_t size = varint(rest_);
        if (size > rest_.size()) bad();
        field.text = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(field.text.size());
        break;
      }
      default: bad();  // groups, which proto3 does not have
    }
    return true;
  }

  /// The next number of a packed list.
  static std::uint64_t varint(std::string_view& from) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (from.empty()) bad();
      const auto byte = static_cast<unsigned char>(from.front());
      from.remove_prefix(1);
      if (shift == 63 && byte > 1) bad();
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    bad();
  }

  [[noreturn]] static void bad() { throw Refusal(Why::invalid, "the message is not a Protocol Buffer, or is cut off"); }

 private:
  std::uint64_t fixed(std::size_t size) {
    if (rest_.size() < size) bad();
    std::uint64_t value = 0;
    std::memcpy(&value, rest_.data(), size);  // little endian, as on the wire
    rest_.remove_prefix(size);
    return value;
  }

  std::string_view rest_;
};

/// Builds a message. As proto3 has it, what is empty or 0 is not written, but in lists.
class Writer {
 public:
  Writer& number(std::uint32_t field, std::uint64_t value) {
    if (value == 0) return *this;
    tag(field, Field::varint);
    varint(value);
    return *this;
  }
  Writer& truth(std::uint32_t field, bool value) { return number(field, value ? 1 : 0); }
  Writer& text(std::uint32_t field, std::string_view value) { return value.empty() ? *this : item(field, value); }
  /// An element of a list of texts or messages: also an empty one.
  Writer& item(std::uint32_t field, std::string_view value) {
    tag(field, Field::bytes);
    varint(value.size());
    message_.append(value);
    return *this;
  }
  template <class Numbers>
  Writer& packed(std::uint32_t field, const Numbers& values) {
    if (values.empty()) return *this;
    Writer list;
    for (const auto value : values) list.varint(static_cast<std::uint64_t>(value));
    return item(field, list.message_);
  }
  std::string take() { return std::move(message_); }
  const std::string& message() const { return message_; }

 private:
  void tag(std::uint32_t field, Field::Kind kind) { varint(static_cast<std::uint64_t>(field) << 3U | kind); }
  void varint(std::uint64_t value) {
    for (; value > 0x7F; value >>= 7U) message_ += static_cast<char>(value | 0x80U);
    message_ += static_cast<char>(value);
  }

  std::string message_;
};

}  // namespace edgepack::program::wire
