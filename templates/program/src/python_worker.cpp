#include "python_worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

namespace edgepack::program {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t most_bytes = 256U << 20U;  // of an answer
constexpr std::size_t kept_words = 4096;
constexpr milliseconds start_patience(120000);  // importing packages from a slow card
constexpr milliseconds pause_between_starts(1000);

/// Numbers as they lie in memory: both ends run on the same box.
template <class Number>
void put(std::string& to, Number value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& to, const std::string& text) {
  put(to, static_cast<std::uint32_t>(text.size()));
  to += text;
}

void put_tensor(std::string& to, const Tensor& tensor) {
  put(to, static_cast<std::uint32_t>(tensor.shape.size()));
  for (const int axis : tensor.shape) put(to, static_cast<std::uint32_t>(axis));
  to.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size() * sizeof(float));
}

/// What is left of a message. Every read is held to what there is.
struct Reader {
  std::string_view rest;

  std::string_view bytes(std::size_t count) {
    if (count > rest.size()) throw std::runtime_error("Python's answer is cut short");
    const std::string_view taken = rest.substr(0, count);
    rest.remove_prefix(count);
    return taken;
  }
  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text() {
    const auto size = number<std::uint32_t>();
    return std::string(bytes(size));
  }
  template <class Number>
  std::vector<Number> list() {
    const std::size_t count = number<std::uint32_t>();
    const std::string_view from = bytes(count > rest.size() / sizeof(Number) ? rest.size() + 1 : count * sizeof(Number));
    std::vector<Number> values(count);
    if (count != 0) std::memcpy(values.data(), from.data(), from.size());
    return values;
  }
  Tensor tensor() {
    Tensor made;
    const auto axes = number<std::uint32_t>();
    if (axes > 8) throw std::runtime_error("Python's array has more than 8 axes");
    std::size_t count = 1;
    for (std::uint32_t i = 0; i < axes; ++i) {
      const auto axis = number<std::uint32_t>();
      if (axis == 0 || axis > static_cast<std::uint32_t>(INT_MAX) || count > most_bytes / axis) {
        throw std::runtime_error("Python's array has an axis that cannot be");
      }
      made.shape.push_back(static_cast<int>(axis));
      count *= axis;
    }
    const std::string_view from = bytes(count * sizeof(float));
    made.data.resize(count);
    std::memcpy(made.data.data(), from.data(), from.size());
    return made;
  }
};

void put_field(std::string& to, const std::string& name, const Record::Value& value) {
  put_text(to, name);
  if (const auto* flag = std::get_if<bool>(&value)) {
    to += 'b';
    put(to, static_cast<std::uint8_t>(*flag));
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    to += 'i';
    put(to, *whole);
  } else if (const auto* number = std::get_if<double>(&value)) {
    to += 'd';
    put(to, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    to += 's';
    put_text(to, *text);
  } else if (const auto* floats = std::get_if<std::vector<float>>(&value)) {
    to += 'f';
    put(to, static_cast<std::uint32_t>(floats->size()));
    to.append(reinterpret_cast<const char*>(floats->data()), floats->size() * sizeof(float));
  } else if (const auto* wholes = std::get_if<std::vector<std::int64_t>>(&value)) {
    to += 'j';
    put(to, static_cast<std::uint32_t>(wholes->size()));
    to.append(reinterpret_cast<const char*>(wholes->data()), wholes->size() * sizeof(std::int64_t));
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    to += 't';
    put(to, static_cast<std::uint32_t>(texts->size()));
    for (const std::string& one : *texts) put_text(to, one);
  }
}

void take_field(Reader& from, Record& record) {
  const std::string name = from.text();
  switch (from.number<char>()) {
    case 'b': record.set(name, from.number<std::uint8_t>() != 0); return;
    case 'i': record.set(name, from.number<std::int64_t>()); return;
    case 'd': record.set(name, from.number<double>()); return;
    case 's': record.set(name, from.text()); return;
    case 'f': record.set(name, from.list<float>()); return;
    case 'j': record.set(name, from.list<std::int64_t>()); return;
    case 't': {
      std::vector<std::string> texts;
      for (auto left = from.number<std::uint32_t>(); left > 0; --left) texts.push_back(from.text());
      record.set(name, texts);
      return;
    }
    default: throw std::runtime_error("Python's answer has a value of no known kind");
  }
}

/// The script that calls the project's Python: in `lib/python` of the release that this program lies in.
std::string script() {
  char buffer[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", buffer, sizeof buffer);
  std::string self(buffer, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  for (int up = 0; up < 2; ++up) self.resize(std::min(self.size(), self.find_last_of('/')));
  return self + "/lib/python/worker.py";
}

}  // namespace

PythonWorker::PythonWorker(How how, std::string file, std::string entry)
    : how_(std::move(how)), file_(std::move(file)), entry_(std::move(entry)) {}

PythonWorker::~PythonWorker() { stop(); }

Tensor PythonWorker::image(const Tensor& image) {
  std::string message = "I";
  put_tensor(message, image);
  const std::string answer = asked(message);
  Reader from{answer};
  return from.tensor();
}

void PythonWorker::record(const std::vector<Tensor>& outputs, Record& record) {
  std::string message = "R";
  put(message, record.when().seconds);
  put(message, record.when().utc);
  put(message, static_cast<std::uint32_t>(outputs.size()));
  for (const Tensor& output : outputs) put_tensor(message, output);
  put(message, static_cast<std::uint32_t>(record.fields().size()));
  for (const auto& [name, value] : record.fields()) put_field(message, name, value);
  const std::string answer = asked(message);
  Reader from{answer};
  for (auto left = from.number<std::uint32_t>(); left > 0; --left) take_field(from, record);
}

std::string PythonWorker::asked(const std::string& message) {
  if (pid_ < 0) start();
  std::string answer = exchange(message, how_.patience);
  if (!answer.empty() && answer[0] == '+') return answer.substr(1);
  throw std::runtime_error(file_ + ": " + (answer.empty() ? "an empty answer" : answer.substr(1)));
}

void PythonWorker::start() {
  // One that cannot start is not started for each picture anew; one that had started costs no more than a moment.
  if (Clock::now() < not_before_) {
    if (!started_) throw std::runtime_error(file_ + ": Python is started again in a moment; it said: " + words_);
    std::this_thread::sleep_until(not_before_);
  }
  started_ = false;
  not_before_ = Clock::now() + pause_between_starts;
  int in[2], out[2], err[2];
  if (pipe2(in, O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
  in_ = Fd(in[1]);
  const Fd in_there(in[0]);
  if (pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
  out_ = Fd(out[0]);
  const Fd out_there(out[1]);
  if (pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
  err_ = Fd(err[0]);
  const Fd err_there(err[1]);
  words_.clear();
  // All memory is asked for before the fork: another thread may hold malloc's lock there. -I -S: no packages and no
  // variables of the box, -B: nothing is written into the release.
  const std::vector<std::string> words{how_.program, "-ISB", script(), how_.version, file_, entry_};
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // it was quicker
    std::signal(SIGPIPE, SIG_DFL);        // which this program leaves alone, and an exec would hand on
    dup2(in_there.get(), 0);
    dup2(out_there.get(), 1);
    dup2(err_there.get(), 2);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  for (const Fd* fd : {&in_, &out_, &err_}) fcntl(fd->get(), F_SETFL, O_NONBLOCK);
  const std::string hello = exchange("", start_patience);
  if (hello.empty() || hello[0] != '+') {
    words_ = hello.empty() ? "an empty answer" : hello.substr(1);
    stop();
    throw std::runtime_error(file_ + ": " + words_);
  }
  started_ = true;
}

void PythonWorker::stop() {
  if (pid_ >= 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  pid_ = -1;
  in_ = Fd();
  out_ = Fd();
  err_ = Fd();
}

std::string PythonWorker::exchange(const std::string& message, milliseconds patience) {
  std::string sent, answer;
  if (!message.empty()) {
    put(sent, static_cast<std::uint64_t>(message.size()));
    sent += message;
  }
  std::string_view left(sent);
  const auto until = Clock::now() + patience;
  char block[65536];
  for (;;) {
    const auto now = Clock::now();
    if (now >= until) throw died("no answer within " + std::to_string(patience.count()) + " ms");
    pollfd about[3] = {{out_.get(), POLLIN, 0}, {err_.open() ? err_.get() : -1, POLLIN, 0}, {left.empty() ? -1 : in_.get(), POLLOUT, 0}};
    const auto wait = std::chrono::duration_cast<milliseconds>(until - now).count() + 1;
    if (poll(about, 3, static_cast<int>(std::min<long long>(wait, 60000))) < 0 && errno != EINTR) throw died("poll failed");
    if (about[1].revents != 0) {
      const ssize_t got = ::read(err_.get(), block, sizeof block);
      if (got == 0) err_ = Fd();
      if (got > 0) words_.append(block, static_cast<std::size_t>(got));
      if (words_.size() > kept_words) words_.erase(0, words_.size() - kept_words);
    }
    if (about[2].revents != 0) {
      const ssize_t given = ::write(in_.get(), left.data(), left.size());
      if (given > 0) left.remove_prefix(static_cast<std::size_t>(given));
      if (given < 0 && errno != EAGAIN && errno != EINTR) left = {};  // it has ended: what it said comes below
    }
    if (about[0].revents == 0) continue;
    const ssize_t got = ::read(out_.get(), block, sizeof block);
    if (got == 0) throw died("it ended");
    if (got > 0) answer.append(block, static_cast<std::size_t>(got));
    std::uint64_t size = 0;
    if (answer.size() < sizeof size) continue;
    std::memcpy(&size, answer.data(), sizeof size);
    if (size > most_bytes) throw died("its answer is larger than 256 MiB");
    if (answer.size() == sizeof size + size) return answer.substr(sizeof size);
    if (answer.size() > sizeof size + size) throw died("it answers more than it was asked");
  }
}

/// How one that has closed its end did end, where it does so within a moment.
std::string PythonWorker::ended() {
  int status = 0;
  for (int tries = 0; tries < 50; ++tries) {
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      if (WIFSIGNALED(status)) return " by signal " + std::to_string(WTERMSIG(status));
      return " with " + std::to_string(WEXITSTATUS(status));
    }
    poll(nullptr, 0, 10);
  }
  return "";
}

/// It is killed, and what it said last stands in the error.
std::runtime_error PythonWorker::died(const std::string& what) {
  char block[4096];
  for (ssize_t got; err_.open() && (got = ::read(err_.get(), block, sizeof block)) > 0;) {
    words_.append(block, static_cast<std::size_t>(got));
  }
  const std::string how = what == "it ended" ? ended() : "";
  stop();
  while (!words_.empty() && words_.back() == '\n') words_.pop_back();
  words_ = words_.substr(words_.find_last_of('\n') + 1).substr(0, 300);
  for (char& letter : words_) letter = static_cast<unsigned char>(letter) < 0x20 ? '?' : letter;
  if (words_.empty() && how == " with 127") words_ = "is " + how_.program + " on this box?";  // nothing was started
  return std::runtime_error(file_ + ": Python: " + what + how + (words_.empty() ? "" : "; " + words_));
}

}  // namespace edgepack::program
