#include "status.hpp"

#include <unistd.h>

#include <cmath>
#include <ctime>
#include <utility>

#include "file.hpp"
#include "json.hpp"

namespace edgepack::program {

namespace {

constexpr std::chrono::milliseconds period{900};
constexpr std::size_t window = 11;  // about ten seconds

double seconds(Status::Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

double rounded(double value) { return std::round(value * 1000) / 1000; }

}  // namespace

Status::Status(std::string path, std::string release) : path_(std::move(path)), release_(std::move(release)) {
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
}

void Status::failed(const std::string& words) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++errors_;
  error_ = words;
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

// Images a second of work, over the last ten seconds that had work: an idle inbox is not a slow box.
double Status::fps() {
  if (total_.frames == 0) return expected_.count() > 0 ? 1 / seconds(expected_) : 0;
  if (recent_.empty() || recent_.back().frames != total_.frames) recent_.push_back(total_);
  if (recent_.size() > window) recent_.pop_front();
  const Count from = recent_.size() > 1 ? recent_.front() : Count{};
  const double busy = seconds(total_.busy - from.busy);
  return busy > 0 ? static_cast<double>(total_.frames - from.frames) / busy : 0;
}

std::string Status::text() {
  const std::lock_guard<std::mutex> lock(mutex_);
  Json json;
  json.open('{').key("pid").integer(getpid()).key("release").string(release_);
  json.key("frames").integer(total_.frames).key("errors").integer(errors_);
  json.key("fps").number(rounded(fps())).key("uptime_s").number(rounded(seconds(Clock::now() - started_)));
  json.key("updated").integer(static_cast<std::int64_t>(std::time(nullptr)));
  if (!error_.empty()) json.key("error").string(error_);
  return json.close('}').text() + "\n";
}

}  // namespace edgepack::program
