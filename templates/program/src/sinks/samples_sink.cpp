#include "sinks/samples_sink.hpp"

#include <algorithm>
#include <deque>
#include <exception>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "commands.hpp"
#include "sinks/picture_file.hpp"
#include "sinks/ring.hpp"

namespace edgepack::program {

namespace {

/// Whether a field's number, or any of its list, is below that. What is no number is not.
bool any_below(const Record::Value& value, double limit) {
  if (const auto* number = std::get_if<double>(&value)) return *number < limit;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number) < limit;
  const auto* list = std::get_if<std::vector<float>>(&value);
  return list != nullptr && std::any_of(list->begin(), list->end(), [limit](float one) { return static_cast<double>(one) < limit; });
}

class SamplesSink : public Sink {
 public:
  SamplesSink(const std::string& data, SamplesSays says)
      : says_(std::move(says)), ring_(data + "/" + says_.path, static_cast<std::uint64_t>(says_.keep_mb) << 20U) {}

  std::string put(const Answered& answer) override {
    try {
      look(answer);
    } catch (const std::exception& error) {
      tell(says_.path + ": " + answer.name + ": " + error.what());
    }
    return "";
  }

  bool wants_picture() const override { return true; }
  std::string about() const override { return says_.path; }

  std::optional<Sent> state() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return Sent{kept_, 0, 0, trouble_};
  }

 private:
  struct Sample {
    double utc = 0;
    std::string picture, ending, line;
  };

  void look(const Answered& answer) {
    const bool rises = rose(answer.record);
    if (rises) {
      for (const Sample& sample : before_) keep(sample);
      before_.clear();
      after_ = says_.after + 1;  // with this one
    }
    const Record::Value* low = says_.low.empty() ? nullptr : answer.record.find(says_.low);
    bool wanted = after_ > 0 || (low != nullptr && any_below(*low, says_.below));
    if (says_.every > 0 && count_++ % says_.every == 0) wanted = true;
    if (after_ > 0) --after_;
    if (!wanted && says_.before == 0) return;
    Sample sample = made(answer);
    if (wanted) return keep(sample);
    before_.push_back(std::move(sample));
    if (before_.size() > static_cast<std::size_t>(says_.before)) before_.pop_front();
  }

  bool rose(const Record& record) {
    if (says_.alarm.empty()) return false;
    const Record::Value* value = record.find(says_.alarm);
    const bool* is = value == nullptr ? nullptr : std::get_if<bool>(value);
    const bool now = is != nullptr && *is;
    return !std::exchange(alarmed_, now) && now;
  }

  Sample made(const Answered& answer) const {
    const Pixels pixels = pixels_of(*answer.picture);
    return {answer.record.when().utc, picture_file(pixels, says_.format), picture_ending(pixels, says_.format), answer.line};
  }

  void keep(const Sample& sample) {
    const std::string problem = ring_.put(sample.utc, {{sample.ending, sample.picture}, {".json", sample.line + "\n"}});
    if (!problem.empty()) return tell(problem);
    const std::lock_guard<std::mutex> lock(mutex_);
    ++kept_;
    trouble_.clear();
  }

  void tell(const std::string& words) {
    bool told = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      told = trouble_ == words;
      trouble_ = words;
    }
    if (!told) complain(words);
  }

  const SamplesSays says_;
  Ring ring_;
  std::deque<Sample> before_;
  std::int64_t count_ = 0;
  int after_ = 0;
  bool alarmed_ = false;
  mutable std::mutex mutex_;
  std::int64_t kept_ = 0;
  std::string trouble_;
};

}  // namespace

std::unique_ptr<Sink> samples_sink(const std::string& data, const SamplesSays& says) {
  return std::make_unique<SamplesSink>(data, says);
}

}  // namespace edgepack::program
