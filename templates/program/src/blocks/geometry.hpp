// Where the model's input lies in the picture as it came: what `pre` did to places, for `post` to undo.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// An affine map without rotation: now = picture · scale + shift, for places from edge to edge (a pixel's
/// middle lies at its index + 0.5). It is lost where the project's own code makes another size.
struct Geometry {
  int height = 0, width = 0;  // of the picture as it came; 0: lost, or no picture
  int rows = 0, columns = 0;  // of what it is now
  double scale_y = 1, scale_x = 1, shift_y = 0, shift_x = 0;
  std::shared_ptr<const Tensor> picture;  // as it came, where another model is asked about its parts

  Geometry() = default;

  explicit Geometry(const Tensor& picture) {
    if (picture.shape.size() != 3) return;
    height = rows = picture.shape[1];
    width = columns = picture.shape[2];
  }

  bool known() const { return height > 0 && width > 0 && scale_y > 0 && scale_x > 0; }

  /// It was stretched.
  void stretch(int to_rows, int to_columns) {
    if (rows < 1 || columns < 1) return;
    const double down = static_cast<double>(to_rows) / rows, across = static_cast<double>(to_columns) / columns;
    scale_y *= down;
    shift_y *= down;
    scale_x *= across;
    shift_x *= across;
    rows = to_rows;
    columns = to_columns;
  }

  /// Its first row and column lie there now, in something of another size.
  void move(int top, int left, int to_rows, int to_columns) {
    shift_y += top;
    shift_x += left;
    rows = to_rows;
    columns = to_columns;
  }

  /// The project's own code made this of it: the same places, or nobody knows which.
  void follow(const Tensor& image) {
    const std::vector<int>& shape = image.shape;
    const bool planes = shape.size() == 3 && shape[1] == rows && shape[2] == columns;
    const bool pixels = shape.size() == 3 && shape[0] == rows && shape[1] == columns;
    if (!planes && !pixels) *this = Geometry();
  }

  /// Where that lies in the picture as it came, inside of it.
  double picture_x(double x) const { return std::clamp((x - shift_x) / scale_x, 0.0, static_cast<double>(width)); }
  double picture_y(double y) const { return std::clamp((y - shift_y) / scale_y, 0.0, static_cast<double>(height)); }

  /// For a file, and from there.
  std::array<float, 6> numbers() const {
    const bool sure = known();
    return {sure ? static_cast<float>(height) : 0.0F, sure ? static_cast<float>(width) : 0.0F,
            static_cast<float>(scale_y),              static_cast<float>(scale_x),
            static_cast<float>(shift_y),              static_cast<float>(shift_x)};
  }

  explicit Geometry(const std::array<float, 6>& numbers)
      : height(static_cast<int>(numbers[0])),
        width(static_cast<int>(numbers[1])),
        scale_y(static_cast<double>(numbers[2])),
        scale_x(static_cast<double>(numbers[3])),
        shift_y(static_cast<double>(numbers[4])),
        shift_x(static_cast<double>(numbers[5])) {}
};

}  // namespace edgepack::blocks
