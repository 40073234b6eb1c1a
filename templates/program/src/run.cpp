#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "commands.hpp"
#include "files_source.hpp"
#include "jsonl_sink.hpp"
#include "pipeline.hpp"
#include "status.hpp"

namespace edgepack::program {

namespace {

volatile std::sig_atomic_t stopped = 0;

void stop(int) { stopped = 1; }

void listen_for_stop() {
  struct sigaction action {};
  action.sa_handler = stop;
  sigemptyset(&action.sa_mask);
  // Without SA_RESTART, so that a sleep ends at once.
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

void sleep_for(std::chrono::milliseconds time) {
  const timespec pause{static_cast<std::time_t>(time.count() / 1000), static_cast<long>(time.count() % 1000) * 1000000};
  nanosleep(&pause, nullptr);
}

/// The name of the release's folder: links (`current`) followed.
std::string release_name(const std::string& release) {
  char* whole = realpath(release.c_str(), nullptr);
  const std::string path = whole == nullptr ? release : whole;
  std::free(whole);
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// Holds the data folder for one program; waits while an older one drains. A second program would
/// answer each image twice. Without locks on this file system everything goes on without.
bool take(const Fd& lock) {
  for (int tries = 0; tries < 100 && stopped == 0; ++tries) {
    if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR)) return true;
    sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

/// One app at work: its source, its sink, and what it tells about itself.
class App {
 public:
  App(Model& model, const std::string& data, const std::string& release)
      : model_(model),
        source_(data + "/" + config.source),
        sink_(data + "/" + config.sink),
        status_(data + "/status.json", release_name(release)) {}

  void work() {
    warm_up();
    note("ready; images from " + config.source + ", answers to " + config.sink);
    while (stopped == 0) {
      for (const std::string& name : waiting()) {
        if (stopped != 0) break;
        if (!one(name)) break;
      }
      if (source_.stuck()) idle_ = patience;  // each look tries again to put them away
      const auto now = Status::Clock::now();
      if (now - flushed_ > std::chrono::seconds(1)) {
        sink_.flush();
        flushed_ = now;
      }
      if (stopped == 0) sleep_for(idle_);
    }
    sink_.flush();
    note("told to stop; the answers are on disk");
  }

 private:
  /// A line for the log, so that whoever reads it sees which version did what.
  static void note(const std::string& words) { complain(config.name + " " + config.version + ": " + words); }

  static constexpr std::chrono::milliseconds poll{25};
  static constexpr std::chrono::milliseconds patience{1000};

  /// The model alone on an empty input, the second time: the first one pays for memory and caches. So
  /// that a health gate on `fps` can be judged before an image comes.
  void warm_up() {
    Tensor input{config.input.shape, {}};
    std::size_t elements = 1;
    for (const int axis : input.shape) elements *= static_cast<std::size_t>(axis);
    input.data.resize(elements);
    model_.infer(input);
    const auto began = Status::Clock::now();
    model_.infer(input);
    status_.expect(Status::Clock::now() - began);
  }

  std::vector<std::string> waiting() {
    idle_ = poll;
    try {
      return source_.waiting();
    } catch (const ReadError& error) {
      fail(error.what());
      idle_ = patience;
      return {};
    }
  }

  /// False where the rest has to wait: the sink takes nothing.
  bool one(const std::string& name) {
    const auto began = Status::Clock::now();
    std::string line;
    try {
      line = answer_line(name, answer(model_, source_.read(name), source_.when(name)), false);
    } catch (const Vanished&) {
      return true;
    } catch (const ReadError& error) {
      reject(name, error.what());
      return true;
    } catch (const std::exception& error) {
      reject(name, name + ": " + error.what());
      return true;
    }
    const std::string problem = sink_.append(line);
    if (!problem.empty()) {
      fail(problem);
      idle_ = patience;
      return false;
    }
    status_.answered(Status::Clock::now() - began);
    told_.clear();
    if (!source_.done(name)) fail(trouble(name + ": answered, but cannot be removed", errno));
    return true;
  }

  void reject(const std::string& name, const std::string& words) {
    fail(words);
    if (!source_.reject(name)) fail(trouble(name + ": cannot be moved to .rejected", errno));
  }

  /// A trouble that lasts is counted each time and told on stderr once.
  void fail(const std::string& words) {
    status_.failed(words);
    if (words != told_) complain(words);
    told_ = words;
  }

  Model& model_;
  FilesSource source_;
  JsonlSink sink_;
  Status status_;
  std::string told_;
  Status::Clock::time_point flushed_ = Status::Clock::now();
  std::chrono::milliseconds idle_ = poll;
};

}  // namespace

int run(const std::string& release, const std::string& data) {
  listen_for_stop();
  const std::string lock_path = data + "/.lock";
  const Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock.open()) {
    complain(trouble(lock_path, errno));
    return Exit::failed;
  }
  if (!take(lock)) {
    if (stopped != 0) return Exit::ok;
    complain(data + ": another program runs on this folder");
    return Exit::locked;
  }
  try {
    const std::unique_ptr<Model> model = load_model(release + "/model", config);
    App(*model, data, release).work();
  } catch (const ModelError& error) {
    complain(error.what());
    return Exit::model;
  }
  return Exit::ok;
}

}  // namespace edgepack::program
