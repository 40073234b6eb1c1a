#include "json.hpp"

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace edgepack {

const Record::Value* Record::find(const std::string& field) const {
  for (const auto& [name, value] : fields_) {
    if (name == field) return &value;
  }
  return nullptr;
}

void Record::put(const std::string& field, Value value) {
  if (field == "file" || field == "error" || field == "outputs") {
    throw std::invalid_argument("record field '" + field + "': the name is edgepack's own, take another");
  }
  for (auto& [name, old] : fields_) {
    if (name == field) {
      old = std::move(value);
      return;
    }
  }
  fields_.emplace_back(field, std::move(value));
}

void Record::set_detections(std::vector<Detection> found) {
  detections_ = std::move(found);
  std::vector<float> boxes;
  std::vector<std::string> names;
  std::vector<std::int64_t> tracks;
  bool named = find("names") != nullptr, tracked = find("tracks") != nullptr;
  for (const Detection& one : detections_) {
    boxes.insert(boxes.end(), {static_cast<float>(one.kind), one.score, one.x0, one.y0, one.x1, one.y1});
    names.push_back(one.name);
    tracks.push_back(one.track);
    named = named || !one.name.empty();
    tracked = tracked || one.track != 0;
  }
  set("count", detections_.size());
  set("boxes", boxes);
  if (named) set("names", names);
  if (tracked) set("tracks", tracks);
}

}  // namespace edgepack

namespace edgepack::program {

namespace {

/// The length of the UTF-8 sequence at `at` (RFC 3629: shortest form, no surrogates), 0 where there is none.
std::size_t utf8_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80U) return 1;
  if (first >= 0xC2U && first <= 0xDFU) return follows(1) ? 2 : 0;
  if (first >= 0xE0U && first <= 0xEFU) {
    const bool overlong = first == 0xE0U && second < 0xA0U;
    const bool surrogate = first == 0xEDU && second > 0x9FU;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0U && first <= 0xF4U) {
    const bool overlong = first == 0xF0U && second < 0x90U;
    const bool beyond = first == 0xF4U && second > 0x8FU;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

void append_number(std::string& to, double value, int digits) {
  if (!std::isfinite(value)) {
    to += "null";
    return;
  }
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.*g", digits, value);
  to += buffer;
}

}  // namespace

void Json::separate() {
  if (!first_) text_ += ',';
  first_ = false;
}

Json& Json::open(char bracket) {
  separate();
  text_ += bracket;
  first_ = true;
  return *this;
}

Json& Json::close(char bracket) {
  text_ += bracket;
  first_ = false;
  return *this;
}

Json& Json::key(const std::string& name) {
  separate();
  quote(name);
  text_ += ':';
  first_ = true;
  return *this;
}

Json& Json::string(const std::string& value) {
  separate();
  quote(value);
  return *this;
}

void Json::quote(const std::string& value) {
  text_ += '"';
  for (std::size_t i = 0; i < value.size();) {
    const auto c = static_cast<unsigned char>(value[i]);
    const std::size_t length = utf8_length(value, i);
    if (length == 0) {
      text_ += "\xEF\xBF\xBD";
    } else if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += value[i];
    } else if (c < 0x20U || c == 0x7FU) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(c));
      text_ += buffer;
    } else {
      text_.append(value, i, length);
    }
    i += length == 0 ? 1 : length;
  }
  text_ += '"';
}

Json& Json::number(double value) {
  separate();
  // Nine digits give every float back, seventeen every double; fifteen keep 0.9999 readable.
  int digits = 17;
  if (!std::isfinite(value) || static_cast<double>(static_cast<float>(value)) == value) {
    digits = 9;
  } else {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.15g", value);
    if (std::strtod(buffer, nullptr) == value) digits = 15;
  }
  append_number(text_, value, digits);
  return *this;
}

Json& Json::integer(std::int64_t value) {
  separate();
  text_ += std::to_string(value);
  return *this;
}

Json& Json::boolean(bool value) {
  separate();
  text_ += value ? "true" : "false";
  return *this;
}

Json& Json::array(const std::vector<float>& values) {
  separate();
  text_ += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text_ += ',';
    append_number(text_, static_cast<double>(values[i]), 9);
  }
  text_ += ']';
  return *this;
}

Json& Json::array(const std::vector<std::int64_t>& values) {
  open('[');
  for (const std::int64_t value : values) integer(value);
  return close(']');
}

Json& Json::array(const std::vector<std::string>& values) {
  open('[');
  for (const std::string& value : values) string(value);
  return close(']');
}

Json& Json::value(const Record::Value& value) {
  struct Visitor {
    Json& json;
    void operator()(bool v) { json.boolean(v); }
    void operator()(std::int64_t v) { json.integer(v); }
    void operator()(double v) { json.number(v); }
    void operator()(const std::string& v) { json.string(v); }
    void operator()(const std::vector<float>& v) { json.array(v); }
    void operator()(const std::vector<std::int64_t>& v) { json.array(v); }
    void operator()(const std::vector<std::string>& v) { json.array(v); }
  };
  std::visit(Visitor{*this}, value);
  return *this;
}

Json& Json::fields(const Record& record) {
  for (const auto& [name, value] : record.fields()) key(name).value(value);
  return *this;
}

}  // namespace edgepack::program
