#include "sinks/ring.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>

#include "file.hpp"

namespace edgepack::program {

namespace {

constexpr std::uint64_t block_of_a_disk = 4096;  // a file takes whole ones
constexpr std::size_t digits_of_a_number = 9;
constexpr const char* unfinished = ".part";

std::uint64_t on_disk(std::uint64_t bytes) { return (bytes + block_of_a_disk - 1) / block_of_a_disk * block_of_a_disk; }

/// The number that a thing's file begins with, or 0 where it is none of a ring's.
std::int64_t number_of(const std::string& name) {
  if (name.size() < digits_of_a_number + 1 || name[digits_of_a_number] != '-') return 0;
  const bool digits = std::all_of(name.begin(), name.begin() + digits_of_a_number, [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::strtoll(name.c_str(), nullptr, 10) : 0;
}

std::string stem(std::int64_t number, double utc) {
  char when[32] = "", name[64];
  const auto seconds = static_cast<std::time_t>(utc);
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) != nullptr) std::strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &parts);
  std::snprintf(name, sizeof name, "%09lld-%s", static_cast<long long>(number), when);
  return name;
}

}  // namespace

Ring::Ring(std::string folder, std::uint64_t most_bytes) : folder_(std::move(folder)), most_(most_bytes) {
  for (std::size_t at = folder_.find('/', 1); at != std::string::npos; at = folder_.find('/', at + 1)) {
    static_cast<void>(mkdir(folder_.substr(0, at).c_str(), 0755));  // the last one's error is told
  }
  if (mkdir(folder_.c_str(), 0755) != 0 && errno != EEXIST) throw ReadError(trouble(folder_, errno));
  find();
}

void Ring::find() {
  DIR* listing = opendir(folder_.c_str());
  if (listing == nullptr) throw ReadError(trouble(folder_, errno));
  std::map<std::int64_t, Thing> found;
  std::vector<std::string> torn;
  while (const dirent* entry = readdir(listing)) {
    const std::string name = entry->d_name;
    struct stat about {};
    if (name == unfinished) torn.push_back(name);
    const std::int64_t number = number_of(name);
    if (number == 0 || lstat((folder_ + "/" + name).c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    Thing& thing = found[number];
    thing.number = number;
    thing.bytes += on_disk(static_cast<std::uint64_t>(about.st_size));
    thing.names.push_back(name);
  }
  closedir(listing);
  for (const std::string& name : torn) unlink((folder_ + "/" + name).c_str());
  for (auto& [number, thing] : found) {
    held_ += thing.bytes;
    next_ = number + 1;
    things_.push_back(std::move(thing));
  }
  while (held_ > most_) drop_oldest();
}

void Ring::drop_oldest() {
  for (const std::string& name : things_.front().names) unlink((folder_ + "/" + name).c_str());
  held_ -= things_.front().bytes;
  things_.pop_front();
}

std::string Ring::put(double utc, const std::vector<std::pair<std::string, std::string>>& files) {
  std::uint64_t bytes = 0;
  for (const auto& [ending, content] : files) bytes += on_disk(content.size());
  if (bytes > most_) return folder_ + ": one sample is larger than all that may be kept";
  // Room before the first byte: a kill at any moment leaves no more than there may be.
  while (held_ + bytes > most_) drop_oldest();
  things_.push_back({next_++, bytes, {}});
  held_ += bytes;
  const std::string beside = folder_ + "/" + unfinished, name = stem(things_.back().number, utc);
  for (const auto& [ending, content] : files) {
    things_.back().names.push_back(name + ending);
    const Fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!file.open() || !write_all(file.get(), content) || rename(beside.c_str(), (folder_ + "/" + name + ending).c_str()) != 0) {
      std::string problem = trouble(folder_ + "/" + name + ending, errno);
      unlink(beside.c_str());
      return problem;
    }
  }
  return "";
}

}  // namespace edgepack::program
