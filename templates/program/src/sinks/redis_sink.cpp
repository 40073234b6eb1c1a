#include "sinks/redis_sink.hpp"

#include <cstdlib>
#include <utility>

namespace edgepack::program {

namespace {

// https://redis.io/docs/latest/develop/reference/protocol-spec/: a command is an array of bulk strings; an answer
// begins with its kind.
namespace resp {
constexpr std::size_t longest_line = 4096;
constexpr long longest_bulk = 4096;  // of an answer: the id of an entry

std::string command(const std::vector<std::string>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return text;
}
}  // namespace resp

class RedisPeer : public Peer {
 public:
  RedisPeer(std::string data, RedisSinkSays says) : data_(std::move(data)), says_(std::move(says)) {}

  void deliver(const std::vector<std::string>& lines, const std::atomic<bool>& end) override {
    const Patience patience(std::chrono::milliseconds(static_cast<long>(says_.timeout_s * 1000)), end);
    if (socket_.open() && socket_.stirs()) leave();
    if (!socket_.open()) connect(patience);
    std::string text;
    std::size_t commands = 0;
    for (const std::string& line : lines) {
      text += resp::command(words(line));
      ++commands;
    }
    if (says_.command == "rpush" && says_.most > 0) {
      text += resp::command({"LTRIM", says_.key, std::to_string(-says_.most), "-1"});
      ++commands;
    }
    socket_.send(text, patience);
    for (std::size_t i = 0; i < commands; ++i) hear(patience);
  }

  void leave() override { socket_ = Socket(); }
  std::size_t most_lines() const override { return 100; }

 private:
  std::vector<std::string> words(const std::string& line) const {
    if (says_.command == "publish") return {"PUBLISH", says_.key, line};
    if (says_.command == "rpush") return {"RPUSH", says_.key, line};
    std::vector<std::string> found{"XADD", says_.key};
    if (says_.most > 0) found.insert(found.end(), {"MAXLEN", "~", std::to_string(says_.most)});
    found.insert(found.end(), {"*", "record", line});
    return found;
  }

  void connect(const Patience& patience) {
    socket_ = Socket::to(says_.host, says_.port, patience);
    if (!says_.password_file.empty()) {
      std::vector<std::string> login{"AUTH"};
      if (!says_.user.empty()) login.push_back(says_.user);
      login.push_back(secret(says_.password_file[0] == '/' ? says_.password_file : data_ + "/" + says_.password_file));
      socket_.send(resp::command(login), patience);
      hear(patience);
    }
    if (says_.database > 0) {
      socket_.send(resp::command({"SELECT", std::to_string(says_.database)}), patience);
      hear(patience);
    }
  }

  void hear(const Patience& patience) {
    const std::string line = socket_.line(resp::longest_line, patience);
    const char kind = line.empty() ? '\0' : line[0];
    if (kind == '+' || kind == ':') return;
    if (kind == '-') throw PeerError("it answers " + printable(line.substr(1)));
    const long size = kind == '$' ? std::atol(line.c_str() + 1) : -1;
    if (size < 0 || size > resp::longest_bulk) throw PeerError("not a Redis server: it says " + printable(line));
    socket_.exactly(static_cast<std::size_t>(size) + 2, patience);
  }

  const std::string data_;
  const RedisSinkSays says_;
  Socket socket_;
};

}  // namespace

std::unique_ptr<Sink> redis_sink(const std::string& data, const RedisSinkSays& says) {
  const std::string shown = "redis://" + says.host + ":" + std::to_string(says.port) + "/" + says.key;
  return std::make_unique<SpooledSink>(data, says.spool, shown, std::make_unique<RedisPeer>(data, says));
}

}  // namespace edgepack::program
