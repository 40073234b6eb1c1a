#include "licence.hpp"

#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

#include "config.hpp"
#include "device.hpp"
#include "file.hpp"
#include "licence_clock.hpp"
#include "licence_keys.hpp"
#include "licence_text.hpp"
#include "licensed.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t most_bytes = 8192;
constexpr std::chrono::seconds look_each{1};
constexpr int judge_each = 60, keep_each = 60 * 60, remind_each = 24 * 60 * 60;  // looks

/// Of the file as it lies there: another one has another.
using Mark = std::tuple<ino_t, off_t, time_t, long>;

Mark mark_of(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return {};
  return {found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

/// Empty where there is none. Throws ReadError for one that cannot be read.
std::string text_of(const std::string& path) {
  try {
    const auto bytes = read_whole(path, most_bytes, false);
    return {bytes.begin(), bytes.end()};
  } catch (const Vanished&) {
    return "";
  }
}

}  // namespace

class Licence::Kept {
 public:
  explicit Kept(const std::string& data) : path_(data + "/licence"), clock_(data + "/licence.clock") {
    judge_again();
    clock_.keep();
  }

  ~Kept() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    stopping_.notify_one();
    if (thread_.joinable()) thread_.join();
    clock_.keep();
  }

  bool runs() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return standing_.holds() || !licence_keys.required;
  }

  Licensed told() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const double left = standing_.ends > 0 ? static_cast<double>(standing_.ends - now_) : 0;
    return {standing_.state, standing_.words, standing_.until, left};
  }

  void watch(std::function<void(const std::string&)> say, std::function<void()> end) {
    say(told().words);
    thread_ = std::thread([this, say = std::move(say), end = std::move(end)] { loop(say, end); });
  }

 private:
  /// From the constructor, then from the one thread.
  void judge_again() {
    mark_ = mark_of(path_);
    Standing standing;
    std::int64_t now = 0;
    try {
      const std::string text = text_of(path_);
      const Issuers issuers{config.name, licence_keys.keys};
      now = clock_.now(static_cast<std::int64_t>(std::time(nullptr)), issued_at(text, issuers));
      standing = judge(text, issuers, fingerprints(config.name, ""), now);
      if (standing.state == "missing") standing.words += ": " + path_;
    } catch (const ReadError& error) {
      standing.state = "damaged";
      standing.words = std::string("the licence cannot be read: ") + error.what();
    }
    if (clock_.behind() > 0) {
      standing.words += "; the box's clock was set back: it is taken for " + day_of(now);
    }
    open_features(standing.features);
    const std::lock_guard<std::mutex> lock(mutex_);
    standing_ = std::move(standing);
    now_ = now;
  }

  void loop(const std::function<void(const std::string&)>& say, const std::function<void()>& end) {
    std::string before = told().words;
    std::unique_lock<std::mutex> lock(mutex_);
    for (int looks = 1; !stopping_.wait_for(lock, look_each, [this] { return stop_; }); ++looks) {
      lock.unlock();
      if (mark_of(path_) != mark_ || looks % judge_each == 0) judge_again();
      if (looks % keep_each == 0) clock_.keep();
      const Licensed now = told();
      if (now.words != before || (now.state != "valid" && looks % remind_each == 0)) say(now.words);
      before = now.words;
      if (!runs()) return end();
      lock.lock();
    }
  }

  const std::string path_;
  LicenceClock clock_;
  Mark mark_;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable stopping_;
  bool stop_ = false;
  Standing standing_;
  std::int64_t now_ = 0;
  std::thread thread_;
};

Licence::Licence(const std::string& data) : kept_(std::make_unique<Kept>(data)) {}

Licence::~Licence() = default;

bool Licence::wanted() { return true; }

bool Licence::runs() const { return kept_->runs(); }

Licensed Licence::told() const { return kept_->told(); }

void Licence::watch(std::function<void(const std::string&)> say, std::function<void()> end) {
  kept_->watch(std::move(say), std::move(end));
}

}  // namespace edgepack::program
