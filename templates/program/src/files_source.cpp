#include "files_source.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <thread>
#include <utility>

#include "file.hpp"
#include "image.hpp"

namespace edgepack::program {

namespace {

constexpr const char* rejected_folder = ".rejected";
constexpr std::chrono::milliseconds poll{25};
constexpr std::chrono::milliseconds poll_stuck{1000};  // each look tries again to put them away

void make_folders(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    // A folder above that cannot be made is told by the last mkdir.
    static_cast<void>(mkdir(path.substr(0, at).c_str(), 0755));
  }
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) throw ReadError(trouble(path, errno));
}

std::vector<std::string> listed_in(const std::string& folder) {
  DIR* listing = opendir(folder.c_str());
  if (listing == nullptr) throw ReadError(trouble(folder, errno));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(listing)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(listing);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

FilesSource::FilesSource(std::string folder, std::string shown) : folder_(std::move(folder)), shown_(std::move(shown)) {
  make_folders(folder_);
}

bool FilesSource::identify(const std::string& path, Identity& to) {
  struct stat about {};
  if (lstat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return false;
  to = {static_cast<unsigned long long>(about.st_dev), static_cast<unsigned long long>(about.st_ino),
        static_cast<long long>(about.st_mtim.tv_sec), static_cast<long long>(about.st_mtim.tv_nsec)};
  return true;
}

std::optional<Picture> FilesSource::next(std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (waiting_.empty()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_look_) {
      list();
    } else if (now >= until) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_until(std::min(next_look_, until));
    }
  }
  const std::string name = std::move(waiting_.front());
  waiting_.pop_front();
  return give(name);
}

void FilesSource::list() {
  const std::lock_guard<std::mutex> lock(mutex_);
  next_look_ = std::chrono::steady_clock::now() + (stuck_.empty() ? poll : poll_stuck);
  std::vector<std::string> names = listed_in(folder_);
  for (auto at = stuck_.begin(); at != stuck_.end();) {
    at = std::binary_search(names.begin(), names.end(), at->first) ? std::next(at) : stuck_.erase(at);
  }
  for (std::string& name : names) {
    // Folders, links and pipes are not images; nobody is told, as they may be somebody's on purpose.
    Identity identity;
    if (given_.count(name) != 0 || !identify(path(name), identity) || is_stuck(name, identity)) continue;
    waiting_.push_back(std::move(name));
  }
}

Picture FilesSource::give(const std::string& name) {
  auto identity = std::make_shared<Identity>();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    static_cast<void>(identify(path(name), *identity));  // where it has vanished, reading it says so
    given_.insert(name);
  }
  Picture picture;
  picture.name = name;
  const double taken = static_cast<double>(identity->seconds) + static_cast<double>(identity->nanoseconds) * 1e-9;
  picture.when = {taken, taken};
  picture.mine = identity;
  picture.pixels = [whole = path(name)] { return read_image(whole, false); };
  return picture;
}

bool FilesSource::is_stuck(const std::string& name, const Identity& identity) {
  const auto found = stuck_.find(name);
  if (found == stuck_.end()) return false;
  const bool same = found->second.identity == identity;
  if (same && !put_away(name, found->second.rejected)) return true;
  stuck_.erase(found);
  return same;
}

bool FilesSource::put_away(const std::string& name, bool rejected) const {
  if (!rejected) return unlink(path(name).c_str()) == 0 || errno == ENOENT;
  const std::string folder = path(rejected_folder);
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return false;
  return rename(path(name).c_str(), (folder + "/" + name).c_str()) == 0 || errno == ENOENT;
}

bool FilesSource::leave(const std::string& name, const Identity& identity, bool rejected) {
  Identity now;
  // Another one of its name, by now: that one is still to be answered.
  if (identify(path(name), now) && !(now == identity)) return true;
  if (put_away(name, rejected)) return true;
  const int error = errno;
  if (identify(path(name), now)) stuck_.insert_or_assign(name, Stuck{now, rejected});
  errno = error;
  return false;
}

std::string FilesSource::settled(const Picture& picture, Fate fate, const std::string&) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string problem;
  if (fate == Fate::answered || fate == Fate::refused) {
    const bool rejected = fate == Fate::refused;
    if (!leave(picture.name, *static_cast<const Identity*>(picture.mine.get()), rejected)) {
      problem = trouble(picture.name + (rejected ? ": cannot be moved to .rejected" : ": answered, but cannot be removed"),
                        errno);
    }
  }
  given_.erase(picture.name);
  return problem;
}

}  // namespace edgepack::program
