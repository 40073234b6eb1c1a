#include "sinks/spooled_sink.hpp"

#include <algorithm>
#include <exception>
#include <random>
#include <utility>

#include "commands.hpp"

namespace edgepack::program {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds first_pause{500}, longest_pause{30000}, last_of_it{3000}, idle_each{1000};
constexpr std::chrono::seconds longest_wish{600};  // that a peer may ask for
constexpr std::size_t bytes_at_once = 1U << 20U;

}  // namespace

SpooledSink::SpooledSink(const std::string& data, const SpoolSays& says, std::string shown, std::unique_ptr<Peer> peer)
    : shown_(std::move(shown)),
      spool_(data + "/spool/" + says.name, static_cast<std::uint64_t>(says.most_mb) << 20U, says.drop_oldest),
      peer_(std::move(peer)) {
  thread_ = std::thread([this] { loop(); });
}

SpooledSink::~SpooledSink() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    ending_ = true;
    stirred_.notify_all();
    // What is being tried may go on for that long, and is cut then.
    stirred_.wait_for(lock, last_of_it, [this] { return end_.load(); });
    end_ = true;
  }
  stirred_.notify_all();
  thread_.join();
}

std::string SpooledSink::put(const Answered& answer) {
  std::string problem = spool_.put(answer.line);
  if (!problem.empty()) {
    std::string why;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      why = trouble_;
    }
    return why.empty() ? problem : problem + "; " + why;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    came_ = true;
  }
  stirred_.notify_all();
  return "";
}

std::optional<Sent> SpooledSink::state() const {
  Sent sent{0, spool_.waiting(), spool_.lost(), ""};
  const std::lock_guard<std::mutex> lock(mutex_);
  sent.sent = sent_;
  sent.trouble = trouble_;
  return sent;
}

void SpooledSink::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!end_) {
    // Told to stop, it goes on as long as there is something and the peer takes it.
    if (ending_ && (!trouble_.empty() || spool_.waiting() == 0)) break;
    came_ = false;
    const std::chrono::milliseconds pause = pause_;
    if (pause > 0ms) stirred_.wait_for(lock, pause, [this] { return ending_ || end_; });
    if (end_ || (ending_ && pause > 0ms)) break;
    lock.unlock();
    const bool worked = deliver();
    lock.lock();
    if (!worked && trouble_.empty()) stirred_.wait_for(lock, idle_each, [this] { return came_ || ending_ || end_; });
  }
  end_ = true;
  lock.unlock();
  stirred_.notify_all();
  peer_->leave();
}

/// Whether there was something to deliver.
bool SpooledSink::deliver() {
  const std::vector<std::string> lines = spool_.peek(peer_->most_lines(), bytes_at_once);
  try {
    if (lines.empty()) {
      peer_->idle(end_);
      if (!trouble_.empty()) well(0);
      return false;
    }
    peer_->deliver(lines, end_);
    const std::string problem = spool_.done(lines.size());
    if (!problem.empty()) throw PeerError(problem);
    well(lines.size());
  } catch (const PeerError& error) {
    fail(error.what(), error.after);
  } catch (const std::exception& error) {
    fail(error.what(), 0s);
  }
  return true;
}

void SpooledSink::well(std::size_t sent) {
  bool again = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    sent_ += static_cast<std::int64_t>(sent);
    again = !trouble_.empty();
    trouble_.clear();
    pause_ = 0ms;
  }
  if (again) complain(shown_ + ": takes answers again");
}

/// Each time twice as long, and not at the same moment as all other boxes of a site whose network came back.
void SpooledSink::fail(const std::string& words, std::chrono::seconds after) {
  peer_->leave();
  if (end_) return;
  static thread_local std::minstd_rand dice{std::random_device{}()};
  bool told = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::chrono::milliseconds longer = std::clamp(pause_ * 2, first_pause, longest_pause);
    const auto part = std::uniform_int_distribution<int>(75, 100)(dice);
    pause_ = std::max<std::chrono::milliseconds>(longer * part / 100, std::min(after, longest_wish));
    const std::string whole = shown_ + ": " + words;
    told = trouble_ == whole;
    trouble_ = whole;
  }
  if (!told) complain(shown_ + ": " + words + "; answers wait on disk");
}

}  // namespace edgepack::program
