#include "sinks/draw.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace edgepack::program {

namespace {

// Each letter seven rows of five dots. Our own: fonts are megabytes, and bring a library with them.
struct Glyph {
  char letter;
  std::uint8_t rows[7];
};
constexpr Glyph glyphs[] = {
    {'A', {0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001}},
    {'B', {0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110}},
    {'C', {0b01111, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b01111}},
    {'D', {0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110}},
    {'E', {0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111}},
    {'F', {0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000}},
    {'G', {0b01111, 0b10000, 0b10000, 0b10011, 0b10001, 0b10001, 0b01111}},
    {'H', {0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001}},
    {'I', {0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b11111}},
    {'J', {0b00001, 0b00001, 0b00001, 0b00001, 0b00001, 0b10001, 0b01110}},
    {'K', {0b10001, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010, 0b10001}},
    {'L', {0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111}},
    {'M', {0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001}},
    {'N', {0b10001, 0b11001, 0b10101, 0b10101, 0b10011, 0b10001, 0b10001}},
    {'O', {0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110}},
    {'P', {0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000}},
    {'Q', {0b01110, 0b10001, 0b10001, 0b10001, 0b10101, 0b10010, 0b01101}},
    {'R', {0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001}},
    {'S', {0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110}},
    {'T', {0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100}},
    {'U', {0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110}},
    {'V', {0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100}},
    {'W', {0b10001, 0b10001, 0b10001, 0b10101, 0b10101, 0b11011, 0b10001}},
    {'X', {0b10001, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001, 0b10001}},
    {'Y', {0b10001, 0b10001, 0b01010, 0b00100, 0b00100, 0b00100, 0b00100}},
    {'Z', {0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b11111}},
    {'0', {0b01110, 0b10011, 0b10101, 0b10101, 0b10101, 0b11001, 0b01110}},
    {'1', {0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110}},
    {'2', {0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111}},
    {'3', {0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110}},
    {'4', {0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010}},
    {'5', {0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110}},
    {'6', {0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110}},
    {'7', {0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000}},
    {'8', {0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110}},
    {'9', {0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100}},
    {'.', {0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100}},
    {',', {0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b00100, 0b01000}},
    {':', {0b00000, 0b01100, 0b01100, 0b00000, 0b01100, 0b01100, 0b00000}},
    {'%', {0b11001, 0b11010, 0b00010, 0b00100, 0b01000, 0b01011, 0b10011}},
    {'-', {0b00000, 0b00000, 0b00000, 0b01110, 0b00000, 0b00000, 0b00000}},
    {'_', {0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b11111}},
    {'/', {0b00001, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b10000}},
    {'#', {0b01010, 0b01010, 0b11111, 0b01010, 0b11111, 0b01010, 0b01010}},
    {'(', {0b00010, 0b00100, 0b01000, 0b01000, 0b01000, 0b00100, 0b00010}},
    {')', {0b01000, 0b00100, 0b00010, 0b00010, 0b00010, 0b00100, 0b01000}},
    {'+', {0b00000, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0b00000}},
    {'=', {0b00000, 0b00000, 0b11111, 0b00000, 0b11111, 0b00000, 0b00000}},
};
constexpr Glyph unknown_glyph = {'?', {0b11111, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11111}};
constexpr Glyph blank = {' ', {0, 0, 0, 0, 0, 0, 0}};
constexpr int glyph_width = 5, glyph_height = 7, advance = 6, border = 1;  // in dots

const Glyph& glyph(char c) {
  if (c == ' ') return blank;
  const char capital = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  for (const Glyph& one : glyphs) {
    if (one.letter == capital) return one;
  }
  return unknown_glyph;
}

/// A whole number inside [0, most]; what is no number is 0.
int inside(double value, std::size_t most) {
  return std::isfinite(value) ? static_cast<int>(std::lround(std::clamp(value, 0.0, static_cast<double>(most)))) : 0;
}

/// From x0, y0 up to x1, y1, which are outside; clipped.
void fill(Pixels& picture, int x0, int y0, int x1, int y1, const Colour& colour) {
  const int right = std::min(x1, static_cast<int>(picture.width)), bottom = std::min(y1, static_cast<int>(picture.height));
  for (int y = std::max(0, y0); y < bottom; ++y) {
    for (int x = std::max(0, x0); x < right; ++x) {
      std::copy(colour.begin(), colour.end(),
                picture.bytes.begin() + (static_cast<std::ptrdiff_t>(y) * static_cast<int>(picture.width) + x) * 3);
    }
  }
}

}  // namespace

Pixels coloured(Pixels picture) {
  if (picture.channels == 3) return picture;
  Pixels made{picture.height, picture.width, 3, {}};
  made.bytes.reserve(picture.bytes.size() * 3);
  for (const std::uint8_t value : picture.bytes) made.bytes.insert(made.bytes.end(), 3, value);
  return made;
}

Colour colour_of(int kind) {
  constexpr Colour colours[] = {{214, 39, 40}, {31, 119, 180}, {44, 140, 44}, {148, 80, 190}, {200, 100, 0}, {0, 130, 140}};
  return colours[static_cast<std::size_t>(std::abs(kind % 6))];
}

void draw_box(Pixels& picture, double x0, double y0, double x1, double y1, int thick, const Colour& colour) {
  const int left = inside(std::min(x0, x1), picture.width), right = inside(std::max(x0, x1), picture.width);
  const int top = inside(std::min(y0, y1), picture.height), bottom = inside(std::max(y0, y1), picture.height);
  fill(picture, left, top, right, std::min(top + thick, bottom), colour);
  fill(picture, left, std::max(bottom - thick, top), right, bottom, colour);
  fill(picture, left, top, std::min(left + thick, right), bottom, colour);
  fill(picture, std::max(right - thick, left), top, right, bottom, colour);
}

void draw_words(Pixels& picture, double x, double y, const std::string& words, int size, const Colour& ground) {
  const std::string shown = words.substr(0, 64);
  const int wide = (static_cast<int>(shown.size()) * advance + border) * size, high = (glyph_height + 2 * border) * size;
  const int width = static_cast<int>(picture.width), height = static_cast<int>(picture.height);
  const int left = std::max(0, std::min(inside(x, picture.width), width - wide));
  const int top = std::max(0, std::min(inside(y, picture.height), height - high));
  fill(picture, left, top, left + wide, top + high, ground);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const Glyph& letter = glyph(shown[i]);
    for (int row = 0; row < glyph_height; ++row) {
      for (int column = 0; column < glyph_width; ++column) {
        if ((letter.rows[row] >> (glyph_width - 1 - column) & 1) == 0) continue;
        const int at_x = left + (static_cast<int>(i) * advance + border + column) * size;
        const int at_y = top + (border + row) * size;
        fill(picture, at_x, at_y, at_x + size, at_y + size, {255, 255, 255});
      }
    }
  }
}

}  // namespace edgepack::program
