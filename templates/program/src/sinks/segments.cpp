#include "sinks/segments.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <utility>

#include "file.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t segment_digits = 9;
constexpr const char* segment_ending = ".mkv";

/// Those of the folder's files that are segments, each with what it takes on disk.
std::map<std::int64_t, std::uint64_t> segments_in(const std::string& folder) {
  DIR* listing = opendir(folder.c_str());
  if (listing == nullptr) throw ReadError(trouble(folder, errno));
  std::map<std::int64_t, std::uint64_t> found;
  while (const dirent* entry = readdir(listing)) {
    const std::string name = entry->d_name;
    const bool numbered = name.size() == segment_digits + 4 && name.substr(segment_digits) == segment_ending &&
                          std::all_of(name.begin(), name.begin() + segment_digits, [](char c) { return c >= '0' && c <= '9'; });
    struct stat about {};
    if (!numbered || lstat((folder + "/" + name).c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    found[std::strtoll(name.c_str(), nullptr, 10)] = static_cast<std::uint64_t>(about.st_blocks) * 512;
  }
  closedir(listing);
  return found;
}

std::string segment_name(std::int64_t number) {
  const std::string text = std::to_string(number);
  return std::string(segment_digits - std::min(segment_digits, text.size()), '0') + text + segment_ending;
}

}  // namespace

Segments::Segments(std::string folder, std::uint64_t most_bytes) : folder_(std::move(folder)), most_(most_bytes) {
  for (std::size_t at = folder_.find('/', 1); at != std::string::npos; at = folder_.find('/', at + 1)) {
    static_cast<void>(mkdir(folder_.substr(0, at).c_str(), 0755));  // the last one's error is told
  }
  if (mkdir(folder_.c_str(), 0755) != 0 && errno != EEXIST) throw ReadError(trouble(folder_, errno));
  static_cast<void>(segments_in(folder_));
}

std::int64_t Segments::next() const {
  const std::map<std::int64_t, std::uint64_t> found = segments_in(folder_);
  return found.empty() ? 1 : found.rbegin()->first + 1;
}

std::string Segments::pattern() const {
  std::string escaped;  // in a pattern of ffmpeg's a percent sign is two
  for (const char c : folder_) escaped += c == '%' ? std::string("%%") : std::string(1, c);
  return escaped + "/%09d" + segment_ending;
}

bool Segments::tidy(std::string& trouble_there) const {
  std::map<std::int64_t, std::uint64_t> found = segments_in(folder_);
  std::uint64_t held = 0;
  for (const auto& [number, bytes] : found) held += bytes;
  while (held > most_ / 8 * 7 && found.size() > 1) {
    const auto oldest = found.begin();
    const std::string path = folder_ + "/" + segment_name(oldest->first);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
      trouble_there = trouble(path, errno);
      return false;
    }
    held -= oldest->second;
    found.erase(oldest);
  }
  return !found.empty() && found.rbegin()->second > most_ / 4;
}

}  // namespace edgepack::program
