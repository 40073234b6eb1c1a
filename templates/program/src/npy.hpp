// NumPy's .npy format, versions 1 to 3 (numpy.lib.format), C order, little endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "file.hpp"

namespace edgepack::program {

/// One array on disk, read a row (an index of the first axis) at a time, so that a large set of golden
/// vectors does not have to fit into a small box's memory. uint8, float32 and int64 only.
class NpyArray {
 public:
  enum class Type { uint8, float32, int64 };

  /// Throws ReadError where the file is not such an array, or its size is not the one its header says.
  explicit NpyArray(const std::string& path);

  Type type() const { return type_; }
  const std::vector<std::size_t>& shape() const { return shape_; }
  std::size_t rows() const { return shape_[0]; }
  std::size_t row_elements() const { return row_elements_; }

  /// Row `n`; the element type must be the array's own. Throws ReadError.
  std::vector<std::uint8_t> bytes(std::size_t n) const;
  std::vector<float> floats(std::size_t n) const;
  std::vector<std::int64_t> integers(std::size_t n) const;

 private:
  template <class Element>
  std::vector<Element> row(std::size_t n, Type type) const;

  std::string path_;
  Fd file_;
  Type type_ = Type::uint8;
  std::vector<std::size_t> shape_;
  std::size_t row_elements_ = 0;
  std::size_t data_at_ = 0;
};

}  // namespace edgepack::program
