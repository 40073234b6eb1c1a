#include "sealed.hpp"

#include <new>

#include "config.hpp"
#include "device.hpp"
#include "file.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t most_line = 512;

/// Where the keys lie, and the one that was opened last: all files of an app's models have the same.
struct Keys {
  std::string folder;
  bool plain_too = false;
  std::string id;
  HiddenMemory key;
};

Keys& keys() {
  static Keys known;
  return known;
}

/// An id comes out of a file, and becomes the name of one.
bool plain_word(const std::string& id) { return id.find_first_not_of("0123456789abcdef") == std::string::npos; }

HiddenMemory key_of(const std::string& id) {
  const std::string path = keys().folder + "/" + id;
  std::string line, why;
  try {
    if (!plain_word(id)) throw ReadError(id + " is no key");
    const auto bytes = read_whole(path, most_line, false);
    line.assign(bytes.begin(), bytes.end());
  } catch (const Vanished&) {
    throw KeyError("the model is encrypted, and its key " + id + " is not on this box: " + path);
  } catch (const ReadError& error) {
    throw KeyError(std::string("the model's key cannot be read: ") + error.what());
  }
  if (!line.empty() && line.back() == '\n') line.pop_back();
  HiddenMemory key = unwrap(line, config.name, id, fingerprints(config.name, ""), why);
  if (!key.there()) throw KeyError(why);
  return key;
}

}  // namespace

void look_for_keys_in(const std::string& data, bool plain) {
  keys().folder = data + "/keys";
  keys().plain_too = plain;
}

HiddenMemory unsealed(const std::string& file) {
  try {
    const std::string id = sealed_with(file);
    if (id.empty() && keys().plain_too) return {};
    if (id.empty()) throw KeyError(file + ": the model is not encrypted, and this program takes no other");
    if (id != keys().id) {
      keys().key = key_of(id);
      keys().id = id;
    }
    return unseal(file, keys().key);
  } catch (const Vanished& error) {
    throw ModelError(error.what());
  } catch (const ReadError& error) {
    throw KeyError(error.what());
  } catch (const std::bad_alloc&) {
    throw ModelError("not enough memory to decrypt " + file);
  }
}

}  // namespace edgepack::program
