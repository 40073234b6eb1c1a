// Lets a test run any block on any numbers: one question a line, one line of JSON as the answer. Everything comes
// as words: a list is its length and its values, a text the hexadecimal digits of its bytes after an `x`.
#include <cstdio>
#include <functional>
#include <iostream>
#include <numeric>

#include "blocks/alarm.hpp"
#include "blocks/color.hpp"
#include "blocks/count.hpp"
#include "blocks/crop.hpp"
#include "blocks/ctc.hpp"
#include "blocks/debounce.hpp"
#include "blocks/dwell.hpp"
#include "blocks/each.hpp"
#include "blocks/layout.hpp"
#include "blocks/letterbox.hpp"
#include "blocks/line.hpp"
#include "blocks/logmel.hpp"
#include "blocks/normalize.hpp"
#include "blocks/pick.hpp"
#include "blocks/resize.hpp"
#include "blocks/schedule.hpp"
#include "blocks/sigmoid.hpp"
#include "blocks/softmax.hpp"
#include "blocks/threshold.hpp"
#include "blocks/topk.hpp"
#include "blocks/track.hpp"
#include "blocks/yolo.hpp"
#include "blocks/zone.hpp"
#include "image.hpp"
#include "json.hpp"
#include "words.hpp"

namespace {

using namespace edgepack;
using program::Json;

Json& say(Json& json, const Tensor& result) {
  const std::vector<std::int64_t> shape(result.shape.begin(), result.shape.end());
  return json.key("shape").array(shape).key("data").array(result.data);
}

std::string said(const Tensor& result) {
  Json json;
  json.open('{');
  return say(json, result).close('}').text();
}

std::string said(const Tensor& result, const blocks::Geometry& where) {
  Json json;
  json.open('{');
  say(json, result).key("geometry").open('[');
  for (const int side : {where.height, where.width, where.rows, where.columns}) json.integer(side);
  for (const double number : {where.scale_y, where.scale_x, where.shift_y, where.shift_x}) {
    // As text with every digit: as a number, a double that is a float's value has nine of them.
    char exact[32];
    std::snprintf(exact, sizeof exact, "%.17g", number);
    json.string(exact);
  }
  return json.close(']').close('}').text();
}

std::string said(const Record& record) { return Json().open('{').fields(record).close('}').text(); }

/// A block of `pre`: its own words, then the geometry and the picture.
template <class Block>
std::string picture(std::istream& in, Block block) {
  blocks::Geometry where = geometry(in);
  const Tensor result = block(tensor(in), where);
  return said(result, where);
}

std::string resize(std::istream& in) {
  const int height = whole(in), width = whole(in);
  const auto mode = static_cast<blocks::Mode>(whole(in));
  return picture(in, [&](const Tensor& image, blocks::Geometry& where) {
    return blocks::resize(image, height, width, mode, where);
  });
}

std::string letterbox(std::istream& in) {
  const int height = whole(in), width = whole(in);
  const double fill = real(in);
  const auto align = static_cast<blocks::Align>(whole(in));
  const auto mode = static_cast<blocks::Mode>(whole(in));
  return picture(in, [&](const Tensor& image, blocks::Geometry& where) {
    return blocks::letterbox(image, {height, width, fill, align, mode}, where);
  });
}

std::string crop(std::istream& in) {
  const int height = whole(in), width = whole(in), top = whole(in), left = whole(in);
  return picture(in, [&](const Tensor& image, blocks::Geometry& where) {
    return blocks::crop(image, {height, width, top, left}, where);
  });
}

std::string color(std::istream& in) {
  const auto order = static_cast<blocks::Color>(whole(in));
  return picture(in, [&](const Tensor& image, const blocks::Geometry&) { return blocks::color(image, order); });
}

std::string layout(std::istream& in) {
  const auto order = static_cast<blocks::Layout>(whole(in));
  return picture(in, [&](const Tensor& image, const blocks::Geometry&) { return blocks::layout(image, order); });
}

std::string normalize(std::istream& in) {
  const std::vector<double> scale = reals(in), mean = reals(in), std = reals(in);
  return picture(in, [&](const Tensor& image, const blocks::Geometry&) {
    return blocks::normalize(image, {scale, mean, std});
  });
}

std::string logmel(std::istream& in) {
  blocks::Logmel::By by{};
  by.rate = whole(in);
  by.samples = whole(in);
  by.window = whole(in);
  by.hop = whole(in);
  by.fft = whole(in);
  by.bands = whole(in);
  by.low = real(in);
  by.high = real(in);
  by.scale = static_cast<blocks::Logmel::Scale>(whole(in));
  by.area = whole(in) != 0;
  by.center = whole(in) != 0;
  by.power = real(in);
  by.log = static_cast<blocks::Logmel::Log>(whole(in));
  by.floor = real(in);
  by.offset = real(in);
  return said(blocks::Logmel(by)(tensor(in)));
}

/// A file's bytes: what the program reads of them.
std::string file(std::istream& in) {
  const std::string bytes = text(in);
  try {
    return said(program::decode_image({bytes.begin(), bytes.end()}, "a.wav"));
  } catch (const program::ReadError& error) {
    throw std::invalid_argument(error.what());
  }
}

/// What `pre` with code of the project's own makes of a geometry: {known}.
std::string follow(std::istream& in) {
  blocks::Geometry where = geometry(in);
  where.follow(tensor(in));
  return Json().open('{').key("known").boolean(where.known()).close('}').text();
}

std::string topk(std::istream& in) {
  const blocks::Topk by{whole(in), list(in, text)};
  Record record;
  blocks::topk(tensor(in), by, record);
  return said(record);
}

std::string ctc(std::istream& in) {
  const blocks::Ctc by{list(in, text), static_cast<std::size_t>(whole(in))};
  Record record;
  blocks::ctc(tensor(in), by, record);
  return said(record);
}

std::string yolo(std::istream& in) {
  blocks::Yolo by{};
  by.family = static_cast<blocks::Yolo::Family>(whole(in));
  for (const int index : list(in, whole)) by.outputs.push_back(static_cast<std::size_t>(index));
  by.strides = list(in, whole);
  by.anchors = list(in, reals);
  by.labels = list(in, text);
  by.score = real(in);
  by.overlap = real(in);
  by.per_class = whole(in) != 0;
  by.most = whole(in);
  const blocks::Geometry where = geometry(in);
  Record record;
  blocks::yolo(list(in, tensor), by, where, record);
  return said(record);
}

std::string threshold(std::istream& in) {
  const double score = real(in);
  Record record;
  record.set_detections(list(in, detection));
  blocks::threshold(score, record);
  return said(record);
}

std::string pick(std::istream& in) {
  const auto by = static_cast<blocks::Pick>(whole(in));
  Record record;
  record.set_detections(list(in, detection));
  blocks::pick(by, record);
  return said(record);
}

std::vector<blocks::Point> points(std::istream& in) {
  return list(in, [](std::istream& from) {
    const double x = real(from);
    return blocks::Point{x, real(from)};
  });
}

/// Pictures one after the other, each with its time, what was found with its tracks, and fields: a list of records.
template <class Rule>
std::string pictures(std::istream& in, Rule rule) {
  Json json;
  json.open('[');
  for (int left = whole(in); left > 0; --left) {
    const double seconds = real(in);
    Record record(Moment{seconds, real(in)});
    record.set_detections(list(in, [](std::istream& from) {
      const auto track = static_cast<std::int64_t>(real(from));
      Detection one = detection(from);
      one.track = track;
      return one;
    }));
    for (int fields = whole(in); fields > 0; --fields) {
      const std::string field = text(in);
      record.set(field, real(in));
    }
    rule(record);
    json.open('{').fields(record).close('}');
  }
  return json.close(']').text();
}

blocks::Zone zone_in(std::istream& in) {
  const auto unit = static_cast<blocks::Unit>(whole(in));
  const auto anchor = static_cast<blocks::Anchor>(whole(in));
  std::vector<std::string> classes = list(in, text);
  return {"area", points(in), unit, anchor, std::move(classes)};
}

blocks::Line line_in(std::istream& in) {
  blocks::Zone same = zone_in(in);
  return blocks::Line({"gate", std::move(same.polygon), real(in), same.unit, same.anchor, std::move(same.classes)});
}

std::string zone(std::istream& in) {
  const blocks::Zone by = zone_in(in);
  const blocks::Geometry where = geometry(in);
  return pictures(in, [&](Record& record) { blocks::zone(by, where, record); });
}

std::string line(std::istream& in) {
  blocks::Line by = line_in(in);
  const blocks::Geometry where = geometry(in);
  blocks::Count count("passed", blocks::Count::Of::line, "gate");
  return pictures(in, [&](Record& record) {
    by.look(where, record);
    count.look(record);
  });
}

/// A zone, who stays in it, and how many are and were.
std::string dwell(std::istream& in) {
  const blocks::Zone by = zone_in(in);
  const blocks::Geometry where = geometry(in);
  const double seconds = real(in);
  blocks::Dwell rule("waiting", "area", seconds, real(in));
  blocks::Count count("there", blocks::Count::Of::zone, "area");
  return pictures(in, [&](Record& record) {
    blocks::zone(by, where, record);
    rule.look(record);
    count.look(record);
  });
}

std::string schedule(std::istream& in) {
  const std::vector<std::string> days = list(in, text);
  const std::string start = text(in), end = text(in);
  const blocks::Schedule by("open", days, start, end, text(in));
  return pictures(in, [&](Record& record) { by.look(record); });
}

std::string debounce(std::istream& in) {
  const double least = real(in);
  const int frames = whole(in), of = whole(in);
  blocks::Debounce by({"sure", "value", least, frames, of, real(in)});
  return pictures(in, [&](Record& record) { by.look(record); });
}

std::string alarms(std::istream& in) {
  const double at = real(in), clear = real(in), cooldown = real(in);
  blocks::Alarm by({"crowd", "value", at, clear, cooldown, text(in)});
  return pictures(in, [&](Record& record) { by.look(record); });
}

/// Boxes that were left out, or came, after a zone was told of them.
std::string stale(std::istream& in) {
  const std::string field = text(in);
  blocks::Count count("there", blocks::Count::Of::zone, field);
  return pictures(in, [&](Record& record) {
    record.set("area", std::vector<std::int64_t>{1, 1});
    count.look(record);
  });
}

/// The part of a picture under a box.
std::string part(std::istream& in) {
  const double grow = real(in);
  const Detection one = detection(in);
  return said(blocks::part(tensor(in), one, grow));
}

/// A second model that says of each part what the fields of the same number are: 1 of kind `whole`, and a text.
std::string each(std::istream& in) {
  const std::size_t most = static_cast<std::size_t>(whole(in));
  const blocks::Each by{"second", list(in, text), real(in), most};
  Record record;
  record.set_detections(list(in, detection));
  const bool broken = whole(in) != 0;
  int asked = 0;
  blocks::each(by, tensor(in), [&](const Tensor& image) {
    Record one;
    if (asked++ > 0 || !broken) one.set("rows", image.shape[1]);
    if (asked == 1 && broken) one.set("rows", "a text");
    one.set("mean", std::accumulate(image.data.begin(), image.data.end(), 0.0) / static_cast<double>(image.data.size()));
    if (image.shape[2] > 4) one.set("wide", "yes");
    return one;
  }, record);
  return said(record);
}

/// Pictures one after the other: a list of records.
std::string track(std::istream& in) {
  const double overlap = real(in);
  blocks::Tracker tracker(overlap, whole(in));
  Json json;
  json.open('[');
  for (int left = whole(in); left > 0; --left) {
    Record record;
    record.set_detections(list(in, detection));
    blocks::track(tracker, record);
    json.open('{').fields(record).close('}');
  }
  return json.close(']').text();
}

}  // namespace

int main() {
  const std::pair<const char*, std::function<std::string(std::istream&)>> answers[] = {
      {"resize", resize}, {"letterbox", letterbox}, {"crop", crop},   {"color", color}, {"layout", layout},
      {"yolo", yolo},     {"normalize", normalize}, {"topk", topk},   {"ctc", ctc},     {"threshold", threshold},
      {"pick", pick},     {"track", track},         {"follow", follow}, {"zone", zone}, {"line", line},
      {"dwell", dwell},   {"schedule", schedule},   {"debounce", debounce}, {"alarm", alarms}, {"stale", stale},
      {"logmel", logmel}, {"file", file}, {"part", part}, {"each", each},
      {"softmax", [](std::istream& in) { return said(blocks::softmax(tensor(in))); }},
      {"sigmoid", [](std::istream& in) { return said(blocks::sigmoid(tensor(in))); }},
  };
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string word;
    in >> word;
    for (const auto& [name, answer] : answers) {
      if (word != name) continue;
      try {
        std::cout << answer(in) << std::endl;
      } catch (const std::invalid_argument& error) {
        std::cout << Json().open('{').key("error").string(error.what()).close('}').text() << std::endl;
      }
    }
  }
}
