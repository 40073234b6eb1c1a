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
#include "engine.hpp"
#include "file.hpp"
#include "flow.hpp"
#include "licence.hpp"
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
    const timespec pause{0, 100000000};
    nanosleep(&pause, nullptr);
  }
  return false;
}

/// A line for the log, so that whoever reads it sees which version did what.
void note(const std::string& words) { complain(config.name + " " + config.version + ": " + words); }

/// The model alone on an empty input, the second time: the first one pays for memory and caches. So that a health
/// gate on `fps` can be judged before an image comes.
void warm_up(Model& model, Status& status) {
  Tensor input{config.input.shape, {}};
  std::size_t elements = 1;
  for (const int axis : input.shape) elements *= static_cast<std::size_t>(axis);
  input.data.resize(elements);
  model.infer(input);
  const auto began = Status::Clock::now();
  model.infer(input);
  status.expect(Status::Clock::now() - began);
}

/// Ends as SIGTERM does: what is under way is answered.
void end_without_licence() { kill(getpid(), SIGTERM); }

void work(Model& model, const std::string& release, const std::string& data, Licence& licence) {
  const std::unique_ptr<Source> source = open_source(data);
  std::vector<std::unique_ptr<Sink>> sinks = open_sinks(data);
  std::string places;
  for (const auto& sink : sinks) places += (places.empty() ? "" : ", ") + sink->about();
  Status status(data + "/status.json", release_name(release), [&licence] { return licence.told(); });
  if (Licence::wanted()) licence.watch(note, end_without_licence);
  const std::shared_ptr<void> metrics = open_metrics(status);
  warm_up(model, status);
  note("ready; images from " + source->about() + ", answers to " + places);
  {
    Engine engine(flow, model, *source, std::move(sinks), status);
    engine.work(stopped);
    status.forget();  // what is told of its stages is the engine's
  }
  note("told to stop; the answers are on disk");
}

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
  Licence licence(data);
  if (!licence.runs()) {
    note(licence.told().words);
    const Status said(data + "/status.json", release_name(release), [&licence] { return licence.told(); });
    return Exit::licence;
  }
  try {
    const std::unique_ptr<Model> model = load_model(release + "/model", config);
    work(*model, release, data, licence);
  } catch (const ModelError& error) {
    complain(error.what());
    return error.exit_code();
  }
  return licence.runs() ? Exit::ok : Exit::licence;
}

}  // namespace edgepack::program
