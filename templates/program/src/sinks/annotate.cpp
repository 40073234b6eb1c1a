#include "sinks/annotate.hpp"

#include <algorithm>
#include <cstdio>

#include "json.hpp"
#include "sinks/draw.hpp"
#include "sinks/picture_file.hpp"

namespace edgepack::program {

namespace {

/// "door 0.93 #7"
std::string words_of(const Detection& found) {
  char score[32];
  std::snprintf(score, sizeof score, " %.2f", static_cast<double>(found.score));
  std::string words = (found.name.empty() ? std::to_string(found.kind) : found.name) + score;
  if (found.track > 0) words += " #" + std::to_string(found.track);
  return words;
}

}  // namespace

Pixels annotated(const Answered& answer, const std::vector<std::string>& show) {
  Pixels picture = coloured(pixels_of(*answer.picture));
  const int size = std::max(1, static_cast<int>(std::min(picture.width, picture.height) / 360));
  for (const Detection& found : answer.record.detections()) {
    draw_box(picture, found.x0, found.y0, found.x1, found.y1, 2 * size, colour_of(found.kind));
  }
  // Words last: a box must not cross what was written of another one.
  for (const Detection& found : answer.record.detections()) {
    draw_words(picture, found.x0, static_cast<double>(found.y0) - 9 * size, words_of(found), size, colour_of(found.kind));
  }
  double at = 0;
  for (const std::string& field : show) {
    const Record::Value* value = answer.record.find(field);
    if (value == nullptr) continue;
    draw_words(picture, 0, at, field + ": " + Json().value(*value).text(), size, {0, 0, 0});
    at += 9 * size;
  }
  return picture;
}

}  // namespace edgepack::program
