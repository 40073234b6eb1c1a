// How a question's words are read: for harness.cpp alone.
#pragma once

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "blocks/geometry.hpp"
#include "edgepack/edgepack.h"

namespace {

using namespace edgepack;

// Not `in >> value`, which knows neither NaN nor the smallest numbers.
double real(std::istream& in) {
  std::string word;
  in >> word;
  return std::strtod(word.c_str(), nullptr);
}

int whole(std::istream& in) { return static_cast<int>(real(in)); }

template <class Item>
auto list(std::istream& in, Item item) {
  std::vector<decltype(item(in))> values;
  for (int left = whole(in); left > 0; --left) values.push_back(item(in));
  return values;
}

std::vector<double> reals(std::istream& in) { return list(in, real); }

float single(std::istream& in) { return static_cast<float>(real(in)); }

std::string text(std::istream& in) {
  std::string word, bytes;
  in >> word;
  for (std::size_t i = 1; i + 1 < word.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(word.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

Tensor tensor(std::istream& in) {
  Tensor result;
  result.shape = list(in, whole);
  result.data = list(in, single);
  return result;
}

blocks::Geometry geometry(std::istream& in) {
  blocks::Geometry result;
  result.height = whole(in);
  result.width = whole(in);
  result.rows = whole(in);
  result.columns = whole(in);
  result.scale_y = real(in);
  result.scale_x = real(in);
  result.shift_y = real(in);
  result.shift_x = real(in);
  return result;
}

Detection detection(std::istream& in) {
  Detection one;
  one.kind = whole(in);
  one.score = single(in);
  one.x0 = single(in);
  one.y0 = single(in);
  one.x1 = single(in);
  one.y1 = single(in);
  one.name = text(in);
  return one;
}

}  // namespace
