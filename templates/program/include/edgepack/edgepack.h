// edgepack.h: what a project's own C++ (C++17) sees of edgepack. Stable: a file that compiles against
// one version of this header goes on compiling against later ones.
//
//   #include <edgepack/edgepack.h>
//
//   edgepack::Tensor stretch(const edgepack::Tensor& image);                                  // a `pre` entry
//   void decode(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record);      // a `post` entry
//
// An entry may lie in a namespace (`entry: detector::decode`). It may throw anything derived from
// std::exception: that image is then refused with the exception's words, and the program goes on.
// An entry is called from one thread only; those of `pre` from another than those of `post`, which run at the same
// time, on different images: no variable is to be shared between them.
#pragma once

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// The version: `#if EDGEPACK_API >= 2` for code that is to compile against older ones too.
///   1  Tensor, Record
///   2  Detection, Record::detections, Record::set_detections; lists of text and of integers in a Record
///   3  Moment, Record::when
#define EDGEPACK_API 3

namespace edgepack {

/// A dense array in row-major order: data.size() is the product of shape.
///
/// An image is {channels, height, width} with raw values 0..255; the channels of a colour image are
/// red, green, blue. A model's output has the shape that its ONNX file says, without the batch axis.
struct Tensor {
  std::vector<int> shape;
  std::vector<float> data;
};

/// Something that `yolo` found. Its sides are in pixels of the picture as it came, before `pre`.
struct Detection {
  int kind = 0;                          // its class, from 0
  float score = 0;
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;  // left, top, right, bottom
  std::int64_t track = 0;                // the number that `track` gave it, from 1; 0: none
  std::string name;                      // of its class; empty where the manifest has no `labels`

  float area() const { return (x1 - x0) * (y1 - y0); }
};

/// When a picture was taken. For how long something lasts take `seconds`: where a source has a clock that nobody
/// sets, it is of that clock, and only differences mean something. For the time of day take `utc`.
struct Moment {
  double seconds = 0;
  double utc = 0;  // seconds since 1970-01-01 00:00 UTC
};

/// What is said about one image: one JSON object, its fields in the order they were first set.
/// Setting a field again replaces its value. NaN and infinities are written as null.
class Record {
 public:
  /// Later versions may add kinds at the end: ask with std::get_if.
  using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<float>,
                             std::vector<std::int64_t>, std::vector<std::string>>;

  Record() = default;
  explicit Record(const Moment& when) : when_(when) {}

  /// When the picture was taken.
  const Moment& when() const { return when_; }

  /// A number or a truth value. Throws std::out_of_range for an integer beyond 64 signed bits.
  template <class Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
  void set(const std::string& field, Number value) {
    if constexpr (std::is_same_v<Number, bool>) {
      put(field, value);
    } else if constexpr (std::is_integral_v<Number>) {
      if constexpr (std::is_unsigned_v<Number> && sizeof(Number) >= sizeof(std::int64_t)) {
        if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
          throw std::out_of_range("record field '" + field + "': the integer is too large");
        }
      }
      put(field, static_cast<std::int64_t>(value));
    } else {
      put(field, static_cast<double>(value));
    }
  }

  /// UTF-8; bytes that are not are written as U+FFFD.
  void set(const std::string& field, const std::string& value) { put(field, value); }
  void set(const std::string& field, const char* value) { put(field, std::string(value)); }

  /// A JSON array of numbers.
  void set(const std::string& field, const std::vector<float>& values) { put(field, values); }

  /// A JSON array of integers, or of texts. A template, so that no call means another list than it did.
  template <class List, std::enable_if_t<std::is_same_v<List, std::vector<std::int64_t>> ||
                                             std::is_same_v<List, std::vector<std::string>>,
                                         int> = 0>
  void set(const std::string& field, const List& values) {
    put(field, values);
  }

  const std::vector<std::pair<std::string, Value>>& fields() const { return fields_; }

  /// The field's value, or nullptr where it was not set.
  const Value* find(const std::string& field) const;

  /// What the blocks before this entry found, the best score first; empty where none looks for something.
  const std::vector<Detection>& detections() const { return detections_; }

  /// Puts these in their place, for the blocks after and for the answer. Sets the fields `count`; `boxes`, six
  /// numbers a detection: class, score, x0, y0, x1, y1; `names` and `tracks`, where there are such.
  void set_detections(std::vector<Detection> found);

 private:
  /// Throws std::invalid_argument for "file", "error" and "outputs", which edgepack itself writes.
  void put(const std::string& field, Value value);

  std::vector<std::pair<std::string, Value>> fields_;
  std::vector<Detection> detections_;
  Moment when_;
};

}  // namespace edgepack
