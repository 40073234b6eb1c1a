// A JSON writer: text is escaped, what is not UTF-8 is replaced, NaN and infinities are null.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgepack/edgepack.h"

namespace edgepack::program {

/// Builds one line of JSON; commas are its own business.
///   Json json; json.open('{').key("a").number(1).close('}'); json.text()
class Json {
 public:
  Json& open(char bracket);
  Json& close(char bracket);
  Json& key(const std::string& name);
  Json& string(const std::string& value);
  Json& number(double value);
  Json& integer(std::int64_t value);
  Json& boolean(bool value);
  Json& array(const std::vector<float>& values);
  Json& array(const std::vector<std::int64_t>& values);
  Json& array(const std::vector<std::string>& values);
  Json& value(const Record::Value& value);
  /// The record's fields, into an object that is open.
  Json& fields(const Record& record);
  const std::string& text() const { return text_; }

 private:
  void separate();
  void quote(const std::string& value);

  std::string text_;
  bool first_ = true;  // nothing yet since the last opening bracket or key
};

}  // namespace edgepack::program
