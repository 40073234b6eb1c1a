#include "device.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sodium/crypto_hash_sha256.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "file.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t most_read = 256, shortest_id = 6;

/// The first line of a file of the kernel's; empty where it cannot be read.
std::string first_line(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char byte = 0;
  for (std::size_t i = 0; file.open() && i < most_read && ::read(file.get(), &byte, 1) == 1; ++i) {
    if (byte == '\n') break;
    if (byte != '\0') text += byte;
  }
  return text;
}

/// The line in lower case; empty where it does not tell one box from another.
std::string plain_id(const std::string& path) {
  std::string id;
  for (const char c : first_line(path)) {
    if (c == ' ' || c == '\t' || c == '\r') continue;
    id += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const bool odd = id.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz._:-") != std::string::npos;
  const bool filled_in = id.find_first_not_of("0f.:-") != std::string::npos;  // neither all zeros nor all ones
  if (odd || !filled_in || id.size() < shortest_id) return "";
  // An image before its first start; a mainboard whose maker left what the firmware's maker wrote.
  return id == "uninitialized" || id == "03000200-0400-0500-0006-000700080009" ? "" : id;
}

std::string hashed(const std::string& app, const std::string& source, const std::string& id) {
  const std::string text = "edgepack-device 1\napp " + app + "\n" + source + " " + id + "\n";
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(digest, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4U];
    hex += "0123456789abcdef"[byte & 15U];
  }
  return hex;
}

/// Network cards that are built in, with the address that their maker gave them: neither bridges nor ones that somebody
/// chose an address for.
std::vector<std::string> cards(const std::string& folder) {
  std::vector<std::string> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(folder.c_str()), closedir);
  for (const dirent* entry = nullptr; listing && (entry = readdir(listing.get())) != nullptr;) {
    const std::string card = folder + "/" + entry->d_name;
    struct stat status {};
    if (entry->d_name[0] == '.' || stat((card + "/device").c_str(), &status) != 0) continue;
    if (first_line(card + "/addr_assign_type") == "0") found.push_back(card + "/address");
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> fingerprints(const std::string& app, const std::string& root) {
  std::vector<std::pair<std::string, std::string>> places = {
      {"soc", root + "/proc/device-tree/serial-number"},
      {"soc0", root + "/sys/devices/soc0/serial_number"},
      {"board", root + "/sys/class/dmi/id/product_uuid"},
      {"machine-id", root + "/etc/machine-id"},
  };
  for (const std::string& card : cards(root + "/sys/class/net")) places.emplace_back("mac", card);
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [source, path] : places) {
    const std::string id = plain_id(path);
    if (!id.empty()) found.emplace_back(source, hashed(app, source, id));
  }
  return found;
}

}  // namespace edgepack::program
