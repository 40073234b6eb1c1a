// Answers of the program's licence: `judge FILE APP KEY,KEY ROOT NOW`, `device APP ROOT`, `clock FILE`, `now SAID ISSUED`,
// `keep`, each a JSON value.
#include <iostream>
#include <memory>
#include <sstream>

#include "device.cpp"
#include "json.hpp"
#include "licence_clock.cpp"
#include "licence_text.cpp"

using namespace edgepack::program;

namespace {

std::string text_of(const std::string& path) {
  const auto bytes = read_whole(path, 8192, false);
  return {bytes.begin(), bytes.end()};
}

Json judged(std::istringstream& words) {
  std::string file, app, keys, root;
  std::int64_t now = 0;
  words >> file >> app >> keys >> root >> now;
  Issuers issuers{app, {}};
  std::istringstream listed(keys);
  for (std::string key; std::getline(listed, key, ',');) issuers.keys.push_back(key);
  const Standing found = judge(text_of(file), issuers, fingerprints(app, root), now);
  Json json;
  json.open('{').key("state").string(found.state).key("words").string(found.words);
  json.key("left").integer(found.ends - now).key("issued").integer(issued_at(text_of(file), issuers));
  json.key("features").open('[');
  for (const std::string& feature : found.features) json.string(feature);
  json.close(']').close('}');
  return json;
}

Json devices(std::istringstream& words) {
  std::string app, root;
  words >> app >> root;
  Json json;
  json.open('[');
  for (const auto& [source, fingerprint] : fingerprints(app, root)) {
    json.open('[').string(source).string(fingerprint).close(']');
  }
  json.close(']');
  return json;
}

}  // namespace

int main() {
  std::unique_ptr<LicenceClock> clock;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what, path;
    words >> what;
    Json json;
    if (what == "judge") {
      json = judged(words);
    } else if (what == "device") {
      json = devices(words);
    } else if (what == "clock") {
      words >> path;
      clock = std::make_unique<LicenceClock>(path);
      json.integer(0);
    } else if (what == "now") {
      std::int64_t said = 0, issued = 0;
      words >> said >> issued;
      json.open('[').integer(clock->now(said, issued)).integer(clock->behind()).close(']');
    } else {
      clock->keep();
      json.integer(0);
    }
    std::cout << json.text() << std::endl;
  }
}
