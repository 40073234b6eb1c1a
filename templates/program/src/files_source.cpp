#include "files_source.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "file.hpp"
#include "image.hpp"

namespace edgepack::program {

namespace {

constexpr const char* rejected_folder = ".rejected";

void make_folders(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    // A folder above that cannot be made is told by the last mkdir.
    static_cast<void>(mkdir(path.substr(0, at).c_str(), 0755));
  }
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) throw ReadError(trouble(path, errno));
}

}  // namespace

FilesSource::FilesSource(std::string folder) : folder_(std::move(folder)) { make_folders(folder_); }

bool FilesSource::identify(const std::string& path, Identity& to) {
  struct stat about {};
  if (lstat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return false;
  to = {static_cast<unsigned long long>(about.st_dev), static_cast<unsigned long long>(about.st_ino),
        static_cast<long long>(about.st_mtim.tv_sec), static_cast<long long>(about.st_mtim.tv_nsec)};
  return true;
}

std::vector<std::string> FilesSource::waiting() {
  DIR* listing = opendir(folder_.c_str());
  if (listing == nullptr) throw ReadError(trouble(folder_, errno));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(listing)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(listing);
  std::sort(names.begin(), names.end());
  for (auto at = stuck_.begin(); at != stuck_.end();) {
    at = std::binary_search(names.begin(), names.end(), at->first) ? std::next(at) : stuck_.erase(at);
  }
  // Folders, links and pipes are not images; nobody is told, as they may be somebody's on purpose.
  const auto unfit = [this](const std::string& name) {
    Identity identity;
    return !identify(path(name), identity) || is_stuck(name, identity);
  };
  names.erase(std::remove_if(names.begin(), names.end(), unfit), names.end());
  return names;
}

bool FilesSource::is_stuck(const std::string& name, const Identity& identity) {
  const auto found = stuck_.find(name);
  if (found == stuck_.end()) return false;
  const bool same = found->second.identity == identity;
  if (same && !put_away(name, found->second.rejected)) return true;
  stuck_.erase(found);
  return same;
}

Tensor FilesSource::read(const std::string& name) const { return read_image(path(name), false); }

Moment FilesSource::when(const std::string& name) const { return written_at(path(name)); }

bool FilesSource::put_away(const std::string& name, bool rejected) const {
  if (!rejected) return unlink(path(name).c_str()) == 0 || errno == ENOENT;
  const std::string folder = path(rejected_folder);
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return false;
  return rename(path(name).c_str(), (folder + "/" + name).c_str()) == 0 || errno == ENOENT;
}

bool FilesSource::leave(const std::string& name, bool rejected) {
  if (put_away(name, rejected)) return true;
  const int error = errno;
  Identity identity;
  if (identify(path(name), identity)) stuck_.insert_or_assign(name, Stuck{identity, rejected});
  errno = error;
  return false;
}

bool FilesSource::done(const std::string& name) { return leave(name, false); }
bool FilesSource::reject(const std::string& name) { return leave(name, true); }

}  // namespace edgepack::program
