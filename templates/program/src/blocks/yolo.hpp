// yolo: boxes of a YOLO detector. The decoding is Ultralytics' own, of YOLOv5 and of YOLOv8, from raw heads (one
// a stride) or from the one map that their exports give; docs and formulas: recipes/kit/edgepack_blocks/yolo.py.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "blocks/geometry.hpp"
#include "blocks/overlap.hpp"
#include "blocks/shape.hpp"
#include "blocks/sigmoid.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

struct Yolo {
  enum class Family { v5, v8 };

  Family family;
  std::vector<std::size_t> outputs;          // which of the model's, in the order of `strides`
  std::vector<int> strides;                  // none: decoded in the model
  std::vector<std::vector<double>> anchors;  // v5's heads: width, height, and the next; a list a stride
  std::vector<std::string> labels;           // none, or one a class
  double score, overlap;
  bool per_class;
  int most;
};

/// Where a number of a map lies: `at(channel, cell)`.
struct Map {
  const float* data;
  std::size_t channel_step, cell_step;

  double at(std::size_t channel, std::size_t cell) const {
    return static_cast<double>(data[channel * channel_step + cell * cell_step]);
  }
};

/// The best of `classes` channels from `first` on, and its value; NaN is never the best.
inline std::pair<int, double> best_class(const Map& map, std::size_t first, std::size_t classes, std::size_t cell) {
  std::pair<int, double> best{0, -std::numeric_limits<double>::infinity()};
  for (std::size_t k = 0; k < classes; ++k) {
    const double value = map.at(first + k, cell);
    if (value > best.second) best = {static_cast<int>(k), value};
  }
  return best;
}

/// Collects boxes in the model's pixels: those with enough score whose numbers are numbers.
class Decoder {
 public:
  explicit Decoder(const Yolo& by) : by_(by) {}

  std::vector<Box> found;

  void decode(const Tensor& output, std::size_t head) {
    check_whole(output, "yolo");
    const bool raw = !by_.strides.empty();
    if (by_.family == Yolo::Family::v5) {
      raw ? anchored(output, head) : decoded_v5(output);
    } else {
      raw ? distances(output, by_.strides.at(head)) : decoded_v8(output);
    }
  }

 private:
  static constexpr std::size_t bins = 16;  // of a side's distance in YOLOv8's heads: reg_max

  [[noreturn]] void refuse(const Tensor& output, const std::string& wanted) const {
    throw std::invalid_argument("yolo takes " + wanted + ", not " + shown(output.shape));
  }

  /// Throws std::invalid_argument where the labels are not as many.
  std::size_t classes(std::size_t channels, std::size_t before) const {
    const std::size_t count = channels - before;
    if (!by_.labels.empty() && by_.labels.size() != count) {
      throw std::invalid_argument("yolo: " + std::to_string(count) + " classes and " +
                                  std::to_string(by_.labels.size()) + " labels");
    }
    return count;
  }

  void add(int kind, double score, double x, double y, double half_width, double half_height) {
    add({kind, score, x - half_width, y - half_height, x + half_width, y + half_height});
  }

  void add(const Box& box) {
    const bool finite = std::isfinite(box.x0) && std::isfinite(box.y0) && std::isfinite(box.x1) &&
                        std::isfinite(box.y1) && box.score <= static_cast<double>(std::numeric_limits<float>::max());
    if (finite && box.score >= by_.score) found.push_back(box);
  }

  /// v5's head, {anchors · (5 + classes), rows, columns} or {anchors, rows, columns, 5 + classes}.
  void anchored(const Tensor& output, std::size_t head) {
    const std::vector<double>& anchors = by_.anchors.at(head);
    const std::size_t count = anchors.size() / 2;
    const std::vector<int>& shape = output.shape;
    const bool last = shape.size() == 4;
    std::vector<std::size_t> sides(shape.begin(), shape.end());
    const bool fits = count > 0 && (last ? sides[0] == count && sides[3] > 5
                                         : sides.size() == 3 && sides[0] % count == 0 && sides[0] / count > 5);
    if (!fits) refuse(output, "heads {" + std::to_string(count) + " anchors x (5 + classes), rows, columns}");
    const std::size_t rows = sides[1], columns = sides[2], cells = rows * columns;
    const std::size_t channels = last ? sides[3] : sides[0] / count;
    const std::size_t kinds = classes(channels, 5);
    for (std::size_t a = 0; a < count; ++a) {
      const float* start = output.data.data() + a * channels * cells;
      const Map map{start, last ? 1 : cells, last ? channels : 1};
      for (std::size_t cell = 0; cell < cells; ++cell) {
        const double object = logistic(map.at(4, cell));
        if (!(object >= by_.score)) continue;  // the score is that or less
        const auto [kind, value] = best_class(map, 5, kinds, cell);
        const double stride = by_.strides[head];
        const double x = (2 * logistic(map.at(0, cell)) - 0.5 + static_cast<double>(cell % columns)) * stride;
        const double y = (2 * logistic(map.at(1, cell)) - 0.5 + static_cast<double>(cell / columns)) * stride;
        const double across = 2 * logistic(map.at(2, cell)), down = 2 * logistic(map.at(3, cell));
        add(kind, object * logistic(value), x, y, across * across * anchors[2 * a] / 2,
            down * down * anchors[2 * a + 1] / 2);
      }
    }
  }

  /// v5's export, {boxes, 5 + classes}: centre, sides, objectness and classes, all computed.
  void decoded_v5(const Tensor& output) {
    if (output.shape.size() != 2 || output.shape[1] < 6) refuse(output, "boxes {boxes, 5 + classes}");
    const auto channels = static_cast<std::size_t>(output.shape[1]);
    const std::size_t kinds = classes(channels, 5);
    const Map map{output.data.data(), 1, channels};
    for (std::size_t box = 0; box < static_cast<std::size_t>(output.shape[0]); ++box) {
      const auto [kind, value] = best_class(map, 5, kinds, box);
      add(kind, map.at(4, box) * value, map.at(0, box), map.at(1, box), map.at(2, box) / 2, map.at(3, box) / 2);
    }
  }

  /// v8's export, {4 + classes, boxes}.
  void decoded_v8(const Tensor& output) {
    if (output.shape.size() != 2 || output.shape[0] < 5) refuse(output, "boxes {4 + classes, boxes}");
    const auto boxes = static_cast<std::size_t>(output.shape[1]);
    const std::size_t kinds = classes(static_cast<std::size_t>(output.shape[0]), 4);
    const Map map{output.data.data(), boxes, 1};
    for (std::size_t box = 0; box < boxes; ++box) {
      const auto [kind, value] = best_class(map, 4, kinds, box);
      add(kind, value, map.at(0, box), map.at(1, box), map.at(2, box) / 2, map.at(3, box) / 2);
    }
  }

  /// The expected value of a side's distance: softmax over its bins.
  static double distance(const Map& map, std::size_t side, std::size_t cell) {
    double highest = -std::numeric_limits<double>::infinity(), sum = 0, mean = 0;
    for (std::size_t i = 0; i < bins; ++i) highest = std::max(highest, map.at(side * bins + i, cell));
    for (std::size_t i = 0; i < bins; ++i) {
      const double part = std::exp(map.at(side * bins + i, cell) - highest);
      sum += part;
      mean += part * static_cast<double>(i);
    }
    return mean / sum;
  }

  /// v8's head, {64 + classes, rows, columns}: how far each side is from the cell's middle, in strides.
  void distances(const Tensor& output, int stride) {
    const std::vector<int>& shape = output.shape;
    if (shape.size() != 3 || shape[0] <= static_cast<int>(4 * bins)) refuse(output, "heads {64 + classes, rows, columns}");
    const auto columns = static_cast<std::size_t>(shape[2]);
    const std::size_t cells = static_cast<std::size_t>(shape[1]) * columns;
    const std::size_t kinds = classes(static_cast<std::size_t>(shape[0]), 4 * bins);
    const Map map{output.data.data(), cells, 1};
    for (std::size_t cell = 0; cell < cells; ++cell) {
      const auto [kind, value] = best_class(map, 4 * bins, kinds, cell);
      const double score = logistic(value);
      if (!(score >= by_.score)) continue;
      const double x = static_cast<double>(cell % columns) + 0.5, y = static_cast<double>(cell / columns) + 0.5;
      add({kind, score, (x - distance(map, 0, cell)) * stride, (y - distance(map, 1, cell)) * stride,
           (x + distance(map, 2, cell)) * stride, (y + distance(map, 3, cell)) * stride});
    }
  }

  const Yolo& by_;
};

/// Sets the record's detections. Throws std::invalid_argument for outputs of another shape, and where `pre` does
/// not tell where its result lies in the picture.
inline void yolo(const std::vector<Tensor>& outputs, const Yolo& by, const Geometry& geometry, Record& record) {
  if (!geometry.known()) {
    throw std::invalid_argument(
        "yolo: `pre` does not say where a pixel lies in the picture as it came: code of the project makes another "
        "size there. Let `resize`, `letterbox` or `crop` do that");
  }
  Decoder decoder(by);
  for (std::size_t head = 0; head < by.outputs.size(); ++head) {
    if (by.outputs[head] >= outputs.size()) throw std::invalid_argument("yolo: the model has fewer outputs");
    decoder.decode(outputs[by.outputs[head]], head);
  }
  const auto most = static_cast<std::size_t>(by.most);
  std::vector<Detection> found;
  for (const Box& box : suppressed(std::move(decoder.found), by.overlap, by.per_class, most)) {
    Detection one;
    one.kind = box.kind;
    one.score = static_cast<float>(box.score);
    one.x0 = static_cast<float>(geometry.picture_x(box.x0));
    one.y0 = static_cast<float>(geometry.picture_y(box.y0));
    one.x1 = static_cast<float>(geometry.picture_x(box.x1));
    one.y1 = static_cast<float>(geometry.picture_y(box.y1));
    if (!by.labels.empty()) one.name = by.labels[static_cast<std::size_t>(box.kind)];
    found.push_back(std::move(one));
  }
  if (!by.labels.empty()) record.set("names", std::vector<std::string>());
  record.set_detections(std::move(found));
}

}  // namespace edgepack::blocks
