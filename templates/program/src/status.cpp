#include "status.hpp"

#include <unistd.h>

#include <cmath>
#include <ctime>
#include <utility>

#include "file.hpp"

namespace edgepack::program {

namespace {

constexpr std::chrono::milliseconds period{900};
constexpr std::size_t window = 11;  // about ten seconds

double seconds(Status::Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

double rounded(double value) { return std::round(value * 1000) / 1000; }

}  // namespace

Status::Status(std::string path, std::string release, std::function<Licensed()> licence)
    : path_(std::move(path)), release_(std::move(release)), licence_(std::move(licence)) {
  write();
  thread_ = std::thread([this] { loop(); });
}

Status::~Status() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  stopping_.notify_one();
  thread_.join();
  write();
}

void Status::expect(Clock::duration each) {
  const std::lock_guard<std::mutex> lock(mutex_);
  expected_ = each;
}

void Status::answered(Clock::duration took) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++total_.frames;
  total_.busy += took;
  error_.clear();
  trouble_.clear();
}

void Status::entered() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (under_way_++ == 0) busy_since_ = Clock::now();
}

/// With the mutex held.
void Status::leave_one() {
  if (--under_way_ == 0) total_.busy += Clock::now() - busy_since_;
}

void Status::answered() {
  const std::lock_guard<std::mutex> lock(mutex_);
  leave_one();
  ++total_.frames;
  error_.clear();
  trouble_.clear();
}

void Status::gone(bool dropped) {
  const std::lock_guard<std::mutex> lock(mutex_);
  leave_one();
  if (dropped) ++dropped_;
}

void Status::watch(std::vector<Watched> stages) {
  const std::lock_guard<std::mutex> lock(mutex_);
  watched_ = std::move(stages);
}

void Status::watch_sinks(std::vector<Sending> sinks) {
  const std::lock_guard<std::mutex> lock(mutex_);
  sinks_ = std::move(sinks);
}

void Status::forget() {
  watch({});
  watch_sinks({});
}

void Status::failed(const std::string& words, bool lasts) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++errors_;
  error_ = words;
  if (lasts) trouble_ = words;
}

std::string Status::trouble() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!trouble_.empty()) return trouble_;
  for (const Sending& sink : sinks_) {
    const std::string words = sink.how().trouble;
    if (!words.empty()) return words;
  }
  return "";
}

std::string Status::prometheus() {
  std::string text;
  const auto number = [](double value) { return Json().number(value).text(); };
  const auto family = [&text](const std::string& name, const char* type, const char* help) {
    text += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  };
  const auto single = [&](const std::string& name, const char* type, const char* help, double value) {
    family(name, type, help);
    text += name + " " + number(value) + "\n";
  };
  const std::lock_guard<std::mutex> lock(mutex_);
  const Count now = this->now();
  single("edgepack_images_total", "counter", "Images answered.", static_cast<double>(now.frames));
  single("edgepack_errors_total", "counter", "What went wrong, of images and of all else.", static_cast<double>(errors_));
  single("edgepack_dropped_total", "counter", "Images that gave way to newer ones.", static_cast<double>(dropped_));
  single("edgepack_busy_seconds_total", "counter", "Time in which there was work.", seconds(now.busy));
  single("edgepack_uptime_seconds", "gauge", "Since the program began.", seconds(now.when - started_));
  const Licensed licence = licence_();
  if (!licence.state.empty()) {
    single("edgepack_licence_left_seconds", "gauge", "Until the licence ends; below 0 in its grace time.", licence.left_s);
    family("edgepack_licence", "gauge", "How the licence stands.");
    text += "edgepack_licence{state=\"" + licence.state + "\"} 1\n";
  }
  const auto each = [&](const std::string& name, const char* type, const char* help, const auto& of) {
    if (!watched_.empty()) family(name, type, help);
    for (std::size_t i = 0; i < watched_.size(); ++i) {
      text += name + "{stage=\"" + watched_[i].stage->name() + "\"} " + number(of(i)) + "\n";
    }
  };
  each("edgepack_stage_seconds_total", "counter", "Time that a stage worked.",
       [&](std::size_t i) { return seconds(now.stages[i].busy); });
  each("edgepack_stage_images_total", "counter", "Images that a stage has worked at.",
       [&](std::size_t i) { return static_cast<double>(now.stages[i].pictures); });
  each("edgepack_stage_waiting", "gauge", "Images that wait before a stage.",
       [&](std::size_t i) { return static_cast<double>(watched_[i].waiting()); });
  each("edgepack_stage_depth", "gauge", "Images that may wait there.",
       [&](std::size_t i) { return static_cast<double>(watched_[i].depth); });
  const auto each_sink = [&](const std::string& name, const char* type, const char* help, const auto& of) {
    if (!sinks_.empty()) family(name, type, help);
    for (std::size_t i = 0; i < sinks_.size(); ++i) {
      text += name + "{sink=\"" + std::to_string(i + 1) + "\"} " + number(static_cast<double>(of(sinks_[i].how()))) + "\n";
    }
  };
  each_sink("edgepack_sink_sent_total", "counter", "Answers that a peer has taken.", [](const Sent& how) { return how.sent; });
  each_sink("edgepack_sink_waiting", "gauge", "Answers that wait for a peer.", [](const Sent& how) { return how.waiting; });
  each_sink("edgepack_sink_lost_total", "counter", "Answers that gave way to newer ones.",
            [](const Sent& how) { return how.lost; });
  return text;
}

void Status::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_.wait_for(lock, period, [this] { return stop_; })) {
    lock.unlock();
    write();
    lock.lock();
  }
}

void Status::write() { static_cast<void>(replace_file(path_, text())); }

/// With the mutex held.
Status::Count Status::now() const {
  Count now = total_;
  now.when = Clock::now();
  if (under_way_ > 0) now.busy += now.when - busy_since_;
  for (const Watched& watched : watched_) now.stages.push_back(watched.stage->so_far());
  return now;
}

// Images a second of work, over the last ten seconds that had work: an idle inbox is not a slow box.
double Status::fps(const Count& now) const {
  if (now.frames == 0) return expected_.count() > 0 ? 1 / seconds(expected_) : 0;
  const Count from = recent_.size() > 1 ? recent_.front() : Count{};
  const double busy = seconds(now.busy - from.busy);
  return busy > 0 ? static_cast<double>(now.frames - from.frames) / busy : 0;
}

/// For each stage, over that time: milliseconds at an image, the part of the time that it worked, and its queue.
void Status::tell_stages(Json& json, const Count& now) const {
  const bool before = recent_.size() > 1 && recent_.front().stages.size() == now.stages.size();
  json.key("stages").open('[');
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    const Stage::Count from = before ? recent_.front().stages[i] : Stage::Count{};
    const std::int64_t images = now.stages[i].pictures - from.pictures;
    const double busy = seconds(now.stages[i].busy - from.busy);
    const double passed = seconds(now.when - (before ? recent_.front().when : started_));
    json.open('{').key("stage").string(watched_[i].stage->name());
    json.key("ms").number(rounded(images > 0 ? busy / static_cast<double>(images) * 1000 : 0));
    json.key("busy").number(rounded(passed > 0 ? busy / passed : 0));
    json.key("waiting").integer(static_cast<std::int64_t>(watched_[i].waiting()));
    json.key("depth").integer(static_cast<std::int64_t>(watched_[i].depth)).close('}');
  }
  json.close(']');
}

void Status::tell_sinks(Json& json) const {
  json.key("sinks").open('[');
  for (const Sending& sink : sinks_) {
    const Sent how = sink.how();
    json.open('{').key("to").string(sink.to).key("sent").integer(how.sent).key("waiting").integer(how.waiting);
    if (how.lost > 0) json.key("lost").integer(how.lost);
    if (!how.trouble.empty()) json.key("trouble").string(how.trouble);
    json.close('}');
  }
  json.close(']');
}

void Status::tell_licence(Json& json) const {
  const Licensed said = licence_();
  if (said.state.empty()) return;
  json.key("licence").open('{').key("state").string(said.state).key("until").string(said.until);
  json.key("left_s").number(said.left_s).key("words").string(said.words).close('}');
}

std::string Status::text() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Count now = this->now();
  if (now.frames > 0 && (recent_.empty() || recent_.back().frames != now.frames)) recent_.push_back(now);
  if (recent_.size() > window) recent_.pop_front();
  Json json;
  json.open('{').key("pid").integer(getpid()).key("release").string(release_);
  json.key("frames").integer(total_.frames).key("errors").integer(errors_);
  json.key("fps").number(rounded(fps(now))).key("uptime_s").number(rounded(seconds(Clock::now() - started_)));
  json.key("updated").integer(static_cast<std::int64_t>(std::time(nullptr)));
  if (dropped_ > 0) json.key("dropped").integer(dropped_);
  if (!error_.empty()) json.key("error").string(error_);
  if (!watched_.empty()) tell_stages(json, now);
  if (!sinks_.empty()) tell_sinks(json);
  tell_licence(json);
  return json.close('}').text() + "\n";
}

}  // namespace edgepack::program
