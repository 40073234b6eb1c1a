#include "sources/child_source.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "file.hpp"
#include "sources/child.hpp"

namespace edgepack::program {

namespace {

constexpr std::chrono::milliseconds first_rest{1000}, longest_rest{30000}, last_words{2000};
constexpr std::size_t longest_words = 4096;

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; !what.empty() && (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

class ChildSource : public Source {
 public:
  ChildSource(std::string data, StreamSays says, std::unique_ptr<Streaming> streaming)
      : data_(std::move(data)), says_(std::move(says)), streaming_(std::move(streaming)) {}

  std::optional<Picture> next(std::chrono::milliseconds patience) override {
    const auto now = Clock::now();
    if (!child_) {
      if (over_ || now < again_at_) {
        const auto rest = over_ ? patience : std::chrono::duration_cast<std::chrono::milliseconds>(again_at_ - now);
        std::this_thread::sleep_for(std::min(patience, rest));
        return std::nullopt;
      }
      begin();
    }
    try {
      if (std::optional<Picture> picture = cut()) return picture;  // of what has come already
      const std::size_t before = stream_.size();
      const bool goes_on = child_->read(patience, stream_, words_);
      if (words_.size() > longest_words) words_.erase(0, words_.size() - longest_words);
      if (stream_.size() > before) heard_ = Clock::now();
      std::optional<Picture> picture = cut();
      if (!goes_on && !picture) ended();
      if (Clock::now() - heard_ > std::chrono::duration<double>(says_.silent_s)) {
        throw std::runtime_error("nothing has come for " + std::to_string(static_cast<int>(says_.silent_s)) + " s");
      }
      return picture;
    } catch (const std::exception& error) {
      const std::string why = streaming_->trouble(words_);
      rest();
      throw std::runtime_error(about() + ": " + error.what() + (why.empty() ? "" : ": " + hidden(why)));
    }
  }

  std::string about() const override {
    return streaming_->name() + ", " + (says_.input_file.empty() ? says_.input : "what " + says_.input_file + " names");
  }

 private:
  using Clock = std::chrono::steady_clock;

  void begin() {
    input_ = says_.input;
    again_at_ = Clock::now() + pause_;
    if (!says_.input_file.empty()) {
      const std::string path = says_.input_file[0] == '/' ? says_.input_file : data_ + "/" + says_.input_file;
      const std::vector<unsigned char> bytes = read_whole(path, 4096, true);
      input_.assign(bytes.begin(), std::find_if(bytes.begin(), bytes.end(), [](unsigned char c) { return c < ' '; }));
      if (input_.empty()) throw std::runtime_error(path + ": its first line is empty");
    }
    const bool stream = input_.find("://") != std::string::npos;
    if (!stream && input_[0] != '/') input_ = data_ + "/" + input_;
    std::vector<std::string> words{says_.program};
    for (std::string& word : streaming_->words(input_)) words.push_back(std::move(word));
    stream_.clear();
    words_.clear();
    heard_ = Clock::now();
    child_ = std::make_unique<Child>(words, streaming_->environment());
  }

  /// The first picture of the stream, where it is whole.
  std::optional<Picture> cut() {
    const std::size_t size = streaming_->first_picture(stream_);
    if (size == 0 || stream_.size() < size) return std::nullopt;
    Picture picture;
    picture.name = std::to_string(++count_);
    const auto bytes = std::make_shared<std::vector<unsigned char>>(stream_.begin(), stream_.begin() + static_cast<std::ptrdiff_t>(size));
    stream_.erase(0, size);
    picture.pixels = [bytes, how = streaming_, name = picture.name] { return how->read(*bytes, name); };
    pause_ = std::chrono::milliseconds(0);
    return picture;
  }

  /// It has closed its output: that is an end, or a trouble.
  void ended() {
    const int code = child_->end(last_words);
    if (code == 127) throw std::runtime_error("there is no " + says_.program + " on this box");
    if (code != 0) throw std::runtime_error("it ended with " + std::to_string(code));
    if (says_.again) throw std::runtime_error("the stream has ended");
    over_ = true;
    child_.reset();
    complain(about() + ": that was all of it");
  }

  /// Longer each time, until a picture comes.
  void rest() {
    child_.reset();
    stream_.clear();
    pause_ = std::clamp(pause_ * 2, first_rest, longest_rest);
    again_at_ = Clock::now() + pause_;
  }

  /// Without what is a secret: a camera's name and password stand in its URL.
  std::string hidden(std::string words) const {
    if (says_.input_file.empty()) return words;
    words = replaced(std::move(words), input_, "(its input)");
    const std::size_t scheme = input_.find("://"), at = input_.rfind('@');
    if (scheme == std::string::npos || at == std::string::npos || at < scheme + 3) return words;
    const std::string login = input_.substr(scheme + 3, at - scheme - 3);
    words = replaced(std::move(words), login, "…");
    const std::size_t colon = login.find(':');
    return colon == std::string::npos ? words : replaced(std::move(words), login.substr(colon + 1), "…");
  }

  const std::string data_;
  const StreamSays says_;
  const std::shared_ptr<const Streaming> streaming_;  // pictures on their way need it too
  std::unique_ptr<Child> child_;
  std::string input_, stream_, words_;
  std::int64_t count_ = 0;
  Clock::time_point heard_{}, again_at_{};
  std::chrono::milliseconds pause_{0};
  bool over_ = false;
};

}  // namespace

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of("\r\n ");
  if (end == std::string::npos) return "";
  const std::size_t begin = text.find_last_of('\n', end);
  std::string line = text.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1) + 1);
  line.resize(std::min<std::size_t>(line.size(), 300));
  for (char& c : line) c = c >= ' ' && c <= '~' ? c : '?';
  return line;
}

std::unique_ptr<Source> child_source(const std::string& data, StreamSays says, std::unique_ptr<Streaming> streaming) {
  return std::make_unique<ChildSource>(data, std::move(says), std::move(streaming));
}

}  // namespace edgepack::program
