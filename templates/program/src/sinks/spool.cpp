#include "sinks/spool.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace edgepack::program {

namespace {

constexpr std::size_t segments_of_a_spool = 8, piece = 65536;
constexpr std::uint64_t largest_segment = 1U << 30U;

/// Reads at most `count` bytes there; how many, or -1.
ssize_t read_some_at(const Fd& file, std::size_t offset, char* to, std::size_t count) {
  ssize_t got = 0;
  do {
    got = pread(file.get(), to, count, static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

Spool::Spool(std::string folder, std::uint64_t most_bytes, bool drop_oldest)
    : folder_(std::move(folder)), most_(most_bytes),
      each_(static_cast<std::size_t>(std::min(most_bytes / segments_of_a_spool, largest_segment))), drop_oldest_(drop_oldest) {
  for (std::size_t at = folder_.find('/', 1); at != std::string::npos; at = folder_.find('/', at + 1)) {
    static_cast<void>(mkdir(folder_.substr(0, at).c_str(), 0755));  // the last one's error is told
  }
  if (mkdir(folder_.c_str(), 0755) != 0 && errno != EEXIST) throw ReadError(trouble(folder_, errno));
  find();
}

std::string Spool::path(std::int64_t number) const {
  char name[32];
  std::snprintf(name, sizeof name, "/%012lld.jsonl", static_cast<long long>(number));
  return folder_ + name;
}

/// What an earlier run left. A file that is none of a spool's is left alone.
void Spool::find() {
  DIR* listing = opendir(folder_.c_str());
  if (listing == nullptr) throw ReadError(trouble(folder_, errno));
  std::vector<std::int64_t> numbers;
  while (const dirent* entry = readdir(listing)) {
    const std::int64_t number = std::strtoll(entry->d_name, nullptr, 10);
    if (number > 0 && path(number) == folder_ + "/" + entry->d_name) numbers.push_back(number);
  }
  closedir(listing);
  std::sort(numbers.begin(), numbers.end());
  long long first = 0, offset = 0, lost = 0;
  try {
    const std::vector<unsigned char> said = read_whole(folder_ + "/at", 256, false);
    const std::string text(said.begin(), said.end());
    if (std::sscanf(text.c_str(), "%lld %lld %lld", &first, &offset, &lost) != 3) first = offset = lost = 0;
  } catch (const ReadError&) {
    first = offset = lost = 0;  // a new one, or one whose note was lost: all that is there is sent once more
  }
  lost_ = std::max(0LL, lost);
  for (const std::int64_t number : numbers) {
    if (number < first) {
      unlink(path(number).c_str());
      continue;
    }
    Segment segment{number, 0, 0};
    const Fd file(::open(path(number).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!file.open() || !cut_torn_line(file)) throw ReadError(trouble(path(number), errno));
    segment.bytes = size_of(file, path(number));
    const bool front = segments_.empty();
    // A note that speaks of more than there is (a power cut) is not believed.
    if (front && number == first && offset > 0 && static_cast<std::size_t>(offset) <= segment.bytes) {
      at_ = static_cast<std::size_t>(offset);
    }
    count(segment, front ? at_ : 0);
    segments_.push_back(segment);
  }
  // Numbers go on, also where all has been taken: an old note must not hide a new segment.
  if (segments_.empty()) segments_.push_back({std::max(1LL, first + (first > 0 ? 1 : 0)), 0, 0});
}

void Spool::count(Segment& segment, std::size_t from) {
  const Fd file(::open(path(segment.number).c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<char> block(piece);
  for (std::size_t at = from; at < segment.bytes;) {
    const ssize_t got = read_some_at(file, at, block.data(), block.size());
    if (got <= 0) break;
    segment.lines += std::count(block.begin(), block.begin() + got, '\n');
    at += static_cast<std::size_t>(got);
  }
}

std::uint64_t Spool::held() const {
  std::uint64_t all = 0;
  for (const Segment& segment : segments_) all += segment.bytes;
  return all;
}

/// With the mutex held, as all below.
std::string Spool::begin_segment() {
  if (segments_.back().bytes > 0) segments_.push_back({segments_.back().number + 1, 0, 0});
  const std::string name = path(segments_.back().number);
  last_ = Fd(::open(name.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644));
  return last_.open() ? "" : trouble(name, errno);
}

void Spool::drop_front(bool lose) {
  if (lose) lost_ += segments_.front().lines;
  const Segment gone = segments_.front();
  segments_.pop_front();
  if (segments_.empty()) {
    segments_.push_back({gone.number + 1, 0, 0});
    last_ = Fd();
  }
  at_ = 0;
  given_of_ = -1;
  // The note first: a segment that is there and not wanted is removed at the next start.
  static_cast<void>(note());
  unlink(path(gone.number).c_str());
}

bool Spool::note() const {
  const std::string words = std::to_string(segments_.front().number) + " " + std::to_string(at_) + " " + std::to_string(lost_) + "\n";
  return replace_file(folder_ + "/at", words);
}

std::string Spool::make_room(std::size_t bytes) {
  while (held() + bytes > most_) {
    // What has arrived goes first, and costs nothing.
    const bool taken = segments_.front().lines == 0 && segments_.front().bytes > 0;
    if (!taken && !drop_oldest_) return folder_ + ": " + std::to_string(most_ >> 20U) + " MB of answers wait for their peer";
    drop_front(true);
  }
  return "";
}

std::string Spool::put(const std::string& line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string whole = line + "\n";
  if (whole.size() > most_) {  // it would wait for room for ever, and all others with it
    ++lost_;
    return "";
  }
  std::string problem = make_room(whole.size());
  if (!problem.empty()) return problem;
  if (!last_.open() || segments_.back().bytes + whole.size() > each_) problem = begin_segment();
  if (!problem.empty()) return problem;
  Segment& last = segments_.back();
  if (!write_all(last_.get(), whole)) {
    const int error = errno;
    static_cast<void>(!ftruncate(last_.get(), static_cast<off_t>(last.bytes)));
    last_ = Fd();
    return trouble(path(last.number), error);
  }
  last.bytes += whole.size();
  ++last.lines;
  return "";
}

std::vector<std::string> Spool::peek(std::size_t lines, std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> found;
  given_.clear();
  while (segments_.size() > 1 && at_ >= segments_.front().bytes) drop_front(false);
  const Segment& front = segments_.front();
  given_of_ = front.number;
  if (at_ >= front.bytes) return found;
  const Fd file(::open(path(front.number).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.open()) return found;
  std::string text, line;
  std::vector<char> block(piece);
  std::size_t taken = 0;
  for (std::size_t at = at_; at < front.bytes && found.size() < lines;) {
    const ssize_t got = read_some_at(file, at, block.data(), std::min(block.size(), front.bytes - at));
    if (got <= 0) break;
    for (ssize_t i = 0; i < got && found.size() < lines; ++i) {
      if (block[static_cast<std::size_t>(i)] != '\n') {
        line += block[static_cast<std::size_t>(i)];
        continue;
      }
      taken += line.size() + 1;
      if (!found.empty() && taken > bytes) return found;
      given_.push_back(line.size() + 1);
      found.push_back(std::exchange(line, ""));
    }
    at += static_cast<std::size_t>(got);
  }
  return found;
}

std::string Spool::done(std::size_t lines) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Where the segment gave way to newer answers meanwhile, they have arrived all the same; they count as lost.
  if (given_of_ != segments_.front().number) return "";
  for (std::size_t i = 0; i < lines && i < given_.size(); ++i) {
    at_ += given_[i];
    --segments_.front().lines;
  }
  given_.clear();
  // Not each time that nothing waits: a new file for each answer would wear out a disk.
  if (at_ >= segments_.front().bytes && (segments_.size() > 1 || at_ >= each_)) {
    drop_front(false);
    return "";
  }
  return note() ? "" : trouble(folder_ + "/at", errno);
}

void Spool::sync() {
  const std::lock_guard<std::mutex> lock(mutex_);
  // A disk that fails here fails at the next answer too, where it is told.
  if (last_.open()) static_cast<void>(fdatasync(last_.get()));
}

std::int64_t Spool::waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::int64_t all = 0;
  for (const Segment& segment : segments_) all += segment.lines;
  return all;
}

std::int64_t Spool::lost() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return lost_;
}

}  // namespace edgepack::program
