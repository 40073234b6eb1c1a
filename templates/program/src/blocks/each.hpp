// each: {model, classes, grow, most}: another model for each box's part of the picture, merged beside `boxes`.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "blocks/rules.hpp"
#include "blocks/shape.hpp"

namespace edgepack::blocks {

struct Each {
  std::string name;
  std::vector<std::string> classes;  // none: all
  double grow;
  std::size_t most;
};

/// The part of a picture under a box that is `grow` of its sides larger on each: whole pixels, those that it touches,
/// inside the picture. Without rows or columns where it lies outside.
inline Tensor part(const Tensor& picture, const Detection& one, double grow) {
  const Sides sides = image_sides(picture, "each");
  const auto x0 = static_cast<double>(one.x0), y0 = static_cast<double>(one.y0);
  const auto x1 = static_cast<double>(one.x1), y1 = static_cast<double>(one.y1);
  const auto limit = [](double at, std::size_t most) {
    return static_cast<std::size_t>(at > 0 ? std::min(at, static_cast<double>(most)) : 0.0);
  };
  const std::size_t left = limit(std::floor(x0 - grow * (x1 - x0)), sides.columns);
  const std::size_t right = std::max(left, limit(std::ceil(x1 + grow * (x1 - x0)), sides.columns));
  const std::size_t top = limit(std::floor(y0 - grow * (y1 - y0)), sides.rows);
  const std::size_t bottom = std::max(top, limit(std::ceil(y1 + grow * (y1 - y0)), sides.rows));
  Tensor result{{picture.shape[0], static_cast<int>(bottom - top), static_cast<int>(right - left)}, {}};
  for (std::size_t c = 0; c < sides.channels; ++c) {
    for (std::size_t y = top; y < bottom; ++y) {
      const float* row = picture.data.data() + (c * sides.rows + y) * sides.columns;
      result.data.insert(result.data.end(), row + left, row + right);
    }
  }
  return result;
}

/// One field of the other model's records as a list beside `boxes`.
class Column {
 public:
  explicit Column(std::size_t boxes) : integers_(boxes, -1), numbers_(boxes, none), texts_(boxes) {}

  /// Throws for a list, and for a number where others are texts.
  void put(std::size_t box, const Record::Value& value, const std::string& field) {
    if (const auto* truth = std::get_if<bool>(&value)) {
      whole(box, *truth ? 1 : 0, field);
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      whole(box, *integer, field);
    } else if (const auto* number = std::get_if<double>(&value)) {
      become(Kind::numbers, field);
      numbers_[box] = static_cast<float>(*number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      become(Kind::texts, field);
      texts_[box] = *text;
    } else {
      throw std::invalid_argument("`each`: the field `" + field + "` is a list: of one box a number or a text is merged");
    }
  }

  void set(Record& record, const std::string& field) const {
    if (kind_ == Kind::integers) record.set(field, integers_);
    if (kind_ == Kind::numbers) record.set(field, numbers_);
    if (kind_ == Kind::texts) record.set(field, texts_);
  }

 private:
  static constexpr float none = std::numeric_limits<float>::quiet_NaN();
  enum class Kind { unknown, integers, numbers, texts };

  void whole(std::size_t box, std::int64_t value, const std::string& field) {
    become(Kind::integers, field);
    integers_[box] = value;
  }

  void become(Kind kind, const std::string& field) {
    if (kind_ != Kind::unknown && kind_ != kind) {
      throw std::invalid_argument("`each`: the field `" + field + "` is of another kind from box to box");
    }
    kind_ = kind;
  }

  Kind kind_ = Kind::unknown;
  std::vector<std::int64_t> integers_;
  std::vector<float> numbers_;
  std::vector<std::string> texts_;
};

/// ask: a part of the picture → what the other model says of it, a Record. Sets `name_FIELD` and `name_count`.
template <class Ask>
void each(const Each& by, const Tensor& picture, Ask ask, Record& record) {
  const std::vector<Detection> found = record.detections();
  std::vector<std::pair<std::string, Column>> columns;
  std::size_t asked = 0;
  for (std::size_t box = 0; box < found.size() && asked < by.most; ++box) {
    if (!is_meant(by.classes, found[box])) continue;
    Tensor image = part(picture, found[box], by.grow);
    if (image.data.empty()) continue;
    ++asked;
    const Record said = ask(std::move(image));
    for (const auto& [field, value] : said.fields()) {
      const auto known = std::find_if(columns.begin(), columns.end(), [&, &name = field](const auto& c) { return c.first == name; });
      Column& column = known != columns.end() ? known->second : columns.emplace_back(field, Column(found.size())).second;
      column.put(box, value, field);
    }
  }
  record.set(by.name + "_count", asked);
  for (const auto& [field, column] : columns) column.set(record, by.name + "_" + field);
}

}  // namespace edgepack::blocks
