// From the detector's three raw maps to what the customer reads: boxes, how many, and the largest.
//
// The decoding is YOLOv5's with one anchor a head: centre (2σ - 0.5 + cell) · stride, side (2σ)² · anchor,
// score σ(objectness) · σ(best class). Its twin in Python is train/pipeline.py, by which the golden vectors were made.

#include <edgepack/edgepack.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace shapes {

// Boxes are told in the camera's pixels; the model sees its picture stretched to a square.
constexpr float camera_width = 128, camera_height = 96, model_side = 160;
constexpr float least_score = 0.25F, most_overlap = 0.5F;

constexpr std::array<const char*, 6> classes = {"red circle",  "blue circle",    "red square",
                                                "blue square", "green triangle", "yellow triangle"};

struct Head {
  float stride, anchor_width, anchor_height;
};
constexpr std::array<Head, 3> heads = {{{8, 14, 18}, {16, 28, 36}, {32, 56, 74}}};  // p3, p4, p5

struct Box {
  std::size_t klass;
  float score, x0, y0, x1, y1;

  float area() const { return (x1 - x0) * (y1 - y0); }
};

float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

// Intersection over union.
float overlap(const Box& a, const Box& b) {
  const float width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  const float height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (width <= 0 || height <= 0) return 0;
  const float both = width * height;
  return both / (a.area() + b.area() - both);
}

// One cell of one head; `at(c)` is channel c: x, y, width, height, objectness, then the classes.
template <class Channel>
Box decode_cell(const Head& head, float column, float row, Channel at) {
  std::size_t best = 0;
  for (std::size_t k = 1; k < classes.size(); ++k) {
    if (at(5 + k) > at(5 + best)) best = k;
  }
  const float x = (2 * sigmoid(at(0)) - 0.5F + column) * head.stride;
  const float y = (2 * sigmoid(at(1)) - 0.5F + row) * head.stride;
  const float across = sigmoid(at(2)), down = sigmoid(at(3));
  const float half_width = 2 * across * across * head.anchor_width;
  const float half_height = 2 * down * down * head.anchor_height;
  constexpr float to_x = camera_width / model_side, to_y = camera_height / model_side;
  return {best,
          sigmoid(at(4)) * sigmoid(at(5 + best)),
          std::clamp((x - half_width) * to_x, 0.0F, camera_width),
          std::clamp((y - half_height) * to_y, 0.0F, camera_height),
          std::clamp((x + half_width) * to_x, 0.0F, camera_width),
          std::clamp((y + half_height) * to_y, 0.0F, camera_height)};
}

// What one head sees, {5 + classes, height, width}, is added to `found`.
void decode_head(const edgepack::Tensor& map, const Head& head, std::vector<Box>& found) {
  if (map.shape.size() != 3 || map.shape[0] != static_cast<int>(5 + classes.size())) {
    throw std::invalid_argument("a head is not {5 + classes, height, width}");
  }
  const auto width = static_cast<std::size_t>(map.shape[2]);
  const std::size_t cells = static_cast<std::size_t>(map.shape[1]) * width;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const Box box = decode_cell(head, static_cast<float>(cell % width), static_cast<float>(cell / width),
                                [&](std::size_t channel) { return map.data[channel * cells + cell]; });
    if (box.score >= least_score) found.push_back(box);
  }
}

// The best first; what overlaps a better one is the same shape seen twice.
std::vector<Box> suppress(std::vector<Box> found) {
  std::stable_sort(found.begin(), found.end(), [](const Box& a, const Box& b) { return a.score > b.score; });
  std::vector<Box> kept;
  for (const Box& box : found) {
    const bool again = std::any_of(kept.begin(), kept.end(),
                                   [&](const Box& better) { return overlap(box, better) > most_overlap; });
    if (!again) kept.push_back(box);
  }
  return kept;
}

void decode(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record) {
  if (outputs.size() != heads.size()) throw std::invalid_argument("expected the heads p3, p4, p5");
  std::vector<Box> found;
  for (std::size_t i = 0; i < heads.size(); ++i) decode_head(outputs[i], heads[i], found);
  const std::vector<Box> kept = suppress(found);

  const auto largest = std::max_element(kept.begin(), kept.end(),
                                        [](const Box& a, const Box& b) { return a.area() < b.area(); });
  const bool any = largest != kept.end();
  const Box shown = any ? *largest : Box{0, 0, 0, 0, 0, 0};
  record.set("class", any ? static_cast<std::int64_t>(shown.klass) : std::int64_t{-1});
  record.set("name", any ? classes.at(shown.klass) : "nothing");
  record.set("score", shown.score);
  record.set("left", shown.x0);
  record.set("top", shown.y0);
  record.set("right", shown.x1);
  record.set("bottom", shown.y1);
  record.set("count", static_cast<std::int64_t>(kept.size()));

  std::vector<float> boxes;  // class, score, x0, y0, x1, y1, and the next
  for (const Box& box : kept) {
    boxes.insert(boxes.end(), {static_cast<float>(box.klass), box.score, box.x0, box.y0, box.x1, box.y1});
  }
  record.set("boxes", boxes);
}

}  // namespace shapes
