// Answers of the program's encrypted models: `unwrap APP ID ROOT FILE` opens a key for the questions after it, `open FILE`
// says how many bytes a model has and their sha256, each a JSON value.
#include <sodium/crypto_hash_sha256.h>

#include <iostream>
#include <sstream>

#include "device.cpp"
#include "json.hpp"
#include "sealed_file.cpp"

using namespace edgepack::program;

namespace {

HiddenMemory key;

Json unwrapped(std::istringstream& words) {
  std::string app, id, root, file, why;
  words >> app >> id >> root >> file;
  const auto bytes = read_whole(file, 512, false);
  HiddenMemory found = unwrap({bytes.begin(), bytes.end()}, app, id, fingerprints(app, root), why);
  Json json;
  json.open('{').key("opens").boolean(found.there()).key("words").string(why).close('}');
  if (found.there()) key = std::move(found);
  return json;
}

Json opened(const std::string& file) {
  const std::string id = sealed_with(file);
  const HiddenMemory plain = unseal(file, key);
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(digest, plain.data(), plain.size());
  Json json;
  json.open('{').key("key").string(id).key("size").integer(static_cast<std::int64_t>(plain.size()));
  json.key("zero_behind").boolean(plain.data()[plain.size()] == 0);
  json.key("sha256").string(hex(digest, sizeof digest)).close('}');
  return json;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what, file;
    words >> what;
    Json json;
    try {
      if (what == "unwrap") {
        json = unwrapped(words);
      } else {
        words >> file;
        json = opened(file);
      }
    } catch (const std::exception& error) {
      json = Json();
      json.open('{').key("error").string(error.what()).close('}');
    }
    std::cout << json.text() << std::endl;
  }
}
