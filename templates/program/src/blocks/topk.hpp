// topk: {k, labels, output}: `class`, `score` and `name` of the best, and `top`: class, score, class, score, …
// Of two alike the lower class comes first; a NaN is never among them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

struct Topk {
  int k;
  std::vector<std::string> labels;  // none, or one a class
};

/// Any shape, taken as one list of scores; where all are NaN, class -1. Throws std::invalid_argument for an
/// output without numbers, or with another number of classes than of labels.
inline void topk(const Tensor& scores, const Topk& by, Record& record) {
  static_cast<void>(last_axis(scores, "topk"));
  const std::vector<float>& values = scores.data;
  if (!by.labels.empty() && by.labels.size() != values.size()) {
    throw std::invalid_argument("topk: " + std::to_string(values.size()) + " classes and " +
                                std::to_string(by.labels.size()) + " labels");
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isnan(values[i])) order.push_back(i);
  }
  const std::size_t wanted = std::min(order.size(), static_cast<std::size_t>(std::max(by.k, 1)));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(wanted), order.end(),
                    [&](std::size_t a, std::size_t b) { return values[a] != values[b] ? values[a] > values[b] : a < b; });
  order.resize(wanted);
  std::vector<float> top;
  std::vector<std::string> names;
  for (const std::size_t i : order) {
    top.insert(top.end(), {static_cast<float>(i), values[i]});
    if (!by.labels.empty()) names.push_back(by.labels[i]);
  }
  const bool any = !order.empty();
  record.set("class", any ? static_cast<std::int64_t>(order[0]) : std::int64_t{-1});
  record.set("score", any ? values[order[0]] : 0.0F);
  if (!by.labels.empty()) record.set("name", any ? names[0] : "nothing");
  record.set("top", top);
  if (!by.labels.empty()) record.set("names", names);
}

}  // namespace edgepack::blocks
