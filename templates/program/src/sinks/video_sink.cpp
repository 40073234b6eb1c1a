#include "sinks/video_sink.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "commands.hpp"
#include "file.hpp"
#include "sinks/annotate.hpp"
#include "sinks/fed_child.hpp"
#include "sinks/segments.hpp"

namespace edgepack::program {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds shortest_rest{1000}, longest_pause_of_it{30000}, one_look{250};
// A picture that it does not take within that time it will not take at all; what it writes last it may write for so long.
constexpr std::chrono::milliseconds takes_within{10000}, ends_within{3000};
constexpr std::chrono::seconds well_after{5};  // it has come so far that a later end is a new trouble

std::string as_words(double number) {
  char text[48];
  std::snprintf(text, sizeof text, "%.6g", number);
  return text;
}

/// Where the video goes: the last words of ffmpeg's command line, asked for at each start, and what is to be done
/// now and then.
class Outlet {
 public:
  virtual ~Outlet() = default;
  virtual std::vector<std::string> words() = 0;
  /// True where ffmpeg is to begin again. Throws ReadError.
  virtual bool tidy() { return false; }
  /// What it complains of, without a secret.
  virtual std::string hidden(std::string complaint) const { return complaint; }
};

class VideoSink : public Sink {
 public:
  VideoSink(Encoding encoding, std::string shown, std::unique_ptr<Outlet> outlet)
      : encoding_(std::move(encoding)), shown_(std::move(shown)), outlet_(std::move(outlet)) {
    thread_ = std::thread([this] { loop(); });
  }

  ~VideoSink() override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      end_ = true;
    }
    stirred_.notify_all();
    thread_.join();
  }
  VideoSink(const VideoSink&) = delete;
  VideoSink& operator=(const VideoSink&) = delete;

  std::string put(const Answered& answer) override {
    const auto now = Clock::now();
    if (now < next_) return "";
    next_ = now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / encoding_.fps));
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (waits_) ++lost_;
      waits_ = answer;
    }
    stirred_.notify_all();
    return "";
  }

  bool wants_picture() const override { return true; }
  std::string about() const override { return shown_; }

  std::optional<Sent> state() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return Sent{sent_, 0, lost_, trouble_};
  }

 private:
  using Clock = std::chrono::steady_clock;

  void loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!end_) {
      if (!waits_) stirred_.wait_for(lock, one_look, [this] { return end_ || waits_; });
      if (end_) break;
      std::optional<Answered> answer = std::exchange(waits_, std::nullopt);
      lock.unlock();
      try {
        look();
        if (answer) taken(show(*answer));
      } catch (const std::exception& error) {
        if (answer) taken(false);
        fail(error.what());
      }
      lock.lock();
    }
    lock.unlock();
    if (child_) child_->end(ends_within);
  }

  /// What there is to be seen of ffmpeg and of the disk, also while no picture comes.
  void look() {
    if (child_ && !child_->alive()) throw std::runtime_error(ended());
    if (child_ && Clock::now() - began_ > well_after) well();
    if (Clock::now() < tidy_at_) return;
    tidy_at_ = Clock::now() + one_look;
    if (outlet_->tidy() && child_) stop();
  }

  /// False where the picture is left out, since ffmpeg rests.
  bool show(const Answered& answer) {
    if (!child_ && Clock::now() < again_at_) return false;
    const Pixels drawn = annotated(answer, encoding_.show);
    // Video has one size: for a picture of another one it begins anew.
    if (child_ && (drawn.width != width_ || drawn.height != height_)) stop();
    if (!child_) begin(drawn);
    std::string_view bytes(reinterpret_cast<const char*>(drawn.bytes.data()), drawn.bytes.size());
    const auto until = Clock::now() + takes_within;
    for (FedChild::Took took = FedChild::Took::some; took != FedChild::Took::all;) {
      took = child_->give(bytes, one_look);
      if (took == FedChild::Took::none_more) throw std::runtime_error(ended());
      if (took == FedChild::Took::some && ending()) return false;
      if (took == FedChild::Took::some && Clock::now() > until) throw std::runtime_error("it takes no pictures");
    }
    return true;
  }

  void begin(const Pixels& first) {
    again_at_ = Clock::now() + shortest_rest;
    const std::string rate = as_words(encoding_.fps);
    std::vector<std::string> words{encoding_.program, "-hide_banner", "-nostdin", "-loglevel", "error"};
    const auto add = [&words](const std::vector<std::string>& more) { words.insert(words.end(), more.begin(), more.end()); };
    // Each picture at the time at which it comes: they come as they are found, and not at a pace.
    add({"-use_wallclock_as_timestamps", "1", "-f", "rawvideo", "-pix_fmt", "rgb24"});
    add({"-video_size", std::to_string(first.width) + "x" + std::to_string(first.height), "-framerate", rate, "-i", "pipe:0"});
    // Colours at half the size: sides are even, at least 16, which the smallest of encoders take.
    add({"-vf", "scale='max(16,trunc(iw/2)*2)':'max(16,trunc(ih/2)*2)'", "-an", "-pix_fmt", "yuv420p", "-c:v", encoding_.codec});
    if (encoding_.codec == "libx264") add({"-preset", "veryfast", "-tune", "zerolatency"});
    if (encoding_.bitrate_kb > 0) add({"-b:v", std::to_string(encoding_.bitrate_kb) + "k"});
    add({"-g", std::to_string(std::max(1, static_cast<int>(2 * encoding_.fps)))});
    add(outlet_->words());
    child_ = std::make_unique<FedChild>(words);
    began_ = Clock::now();
    width_ = first.width;
    height_ = first.height;
  }

  /// Its file is finished, and another begins with the next picture.
  void stop() {
    child_->end(ends_within);
    child_.reset();
    again_at_ = Clock::now();
  }

  std::string ended() {
    const std::string words = child_->last_words();
    const int code = child_->end(ends_within);
    if (code == 127 && words.empty()) return "there is no " + encoding_.program + " on this box";
    const std::string why = words.empty() ? child_->last_words() : words;
    return "it ended with " + std::to_string(code) + (why.empty() ? "" : ": " + outlet_->hidden(why));
  }

  bool ending() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return end_;
  }

  void taken(bool it) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++(it ? sent_ : lost_);
  }

  void well() {
    pause_ = 0ms;
    const std::lock_guard<std::mutex> lock(mutex_);
    trouble_.clear();
  }

  /// Longer each time, until it stays.
  void fail(const std::string& words) {
    child_.reset();
    pause_ = std::clamp(pause_ * 2, shortest_rest, longest_pause_of_it);
    again_at_ = Clock::now() + pause_;
    const std::string whole = shown_ + ": " + words;
    bool told = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      told = std::exchange(trouble_, whole) == whole;
    }
    if (!told) complain(whole);
  }

  const Encoding encoding_;
  const std::string shown_;
  const std::unique_ptr<Outlet> outlet_;
  std::unique_ptr<FedChild> child_;  // the thread's alone, as all up to the mutex
  std::size_t width_ = 0, height_ = 0;
  Clock::time_point began_{}, again_at_{}, tidy_at_{};
  std::chrono::milliseconds pause_{0};
  Clock::time_point next_{};  // the last stage's alone
  mutable std::mutex mutex_;
  std::condition_variable stirred_;
  std::optional<Answered> waits_;
  std::int64_t sent_ = 0, lost_ = 0;
  std::string trouble_;
  bool end_ = false;
  std::thread thread_;  // last: it uses all of the above
};

class Folder : public Outlet {
 public:
  Folder(const std::string& data, const VideoSinkSays& says)
      : segments_(data + "/" + says.path, static_cast<std::uint64_t>(says.keep_mb) << 20U), seconds_(says.segment_s) {}

  /// Matroska: what a kill or a power cut leaves of a file can be played.
  std::vector<std::string> words() override {
    const std::string first = std::to_string(segments_.next());
    return {"-f", "segment", "-segment_format", "matroska", "-segment_time", as_words(seconds_), "-reset_timestamps", "1",
            "-segment_start_number", first, segments_.pattern()};
  }

  bool tidy() override {
    std::string wrong;
    const bool large = segments_.tidy(wrong);
    if (!wrong.empty()) throw ReadError(wrong);
    return large;
  }

 private:
  const Segments segments_;
  const double seconds_;
};

class Server : public Outlet {
 public:
  Server(std::string data, RtspSinkSays says) : data_(std::move(data)), says_(std::move(says)) {}

  std::vector<std::string> words() override {
    url_ = says_.url;
    if (!says_.url_file.empty()) {
      const std::string path = says_.url_file[0] == '/' ? says_.url_file : data_ + "/" + says_.url_file;
      const std::vector<unsigned char> bytes = read_whole(path, 4096, true);
      url_.assign(bytes.begin(), std::find_if(bytes.begin(), bytes.end(), [](unsigned char c) { return c < ' '; }));
      if (url_.compare(0, 7, "rtsp://") != 0) throw std::runtime_error(path + ": its first line is no URL like rtsp://192.0.2.7/door");
    }
    return {"-f", "rtsp", "-rtsp_transport", says_.transport, url_};
  }

  /// ffmpeg repeats its URL, and whoever has the password is not to be found in a log.
  std::string hidden(std::string complaint) const override {
    if (says_.url_file.empty()) return complaint;
    const std::size_t at = url_.rfind('@');
    const std::string login = at == std::string::npos || at < 7 ? "" : url_.substr(7, at - 7);
    const std::size_t colon = login.find(':');
    const std::string secrets[] = {url_, login, colon == std::string::npos ? "" : login.substr(colon + 1)};
    for (const std::string& secret : secrets) {
      for (std::size_t place = 0; !secret.empty() && (place = complaint.find(secret, place)) != std::string::npos; ++place) {
        complaint.replace(place, secret.size(), "*");
      }
    }
    return complaint;
  }

 private:
  const std::string data_;
  const RtspSinkSays says_;
  std::string url_;
};

}  // namespace

std::unique_ptr<Sink> video_sink(const std::string& data, const VideoSinkSays& says) {
  return std::make_unique<VideoSink>(says.encoding, says.path, std::make_unique<Folder>(data, says));
}

std::unique_ptr<Sink> rtsp_sink(const std::string& data, const RtspSinkSays& says) {
  const std::string shown = says.url_file.empty() ? says.url : "what " + says.url_file + " names";
  return std::make_unique<VideoSink>(says.encoding, shown, std::make_unique<Server>(data, says));
}

}  // namespace edgepack::program
