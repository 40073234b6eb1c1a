// `run` of the form `service`: answers over HTTP and gRPC until SIGTERM.
#include "service.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <thread>

#include "commands.hpp"
#include "file.hpp"
#include "front.hpp"
#include "licence.hpp"
#include "service_config.hpp"
#include "status.hpp"

namespace edgepack::program {

namespace {

volatile std::sig_atomic_t told_to_stop = 0;

void hear_stop(int) { told_to_stop = 1; }

void pause(std::chrono::milliseconds time) {
  const timespec nap{static_cast<std::time_t>(time.count() / 1000), static_cast<long>(time.count() % 1000) * 1000000};
  nanosleep(&nap, nullptr);  // ends early where a signal comes
}

/// The name of the release's folder: links (`current`) followed.
std::string folder_name(const std::string& release) {
  const std::unique_ptr<char, decltype(&std::free)> whole(realpath(release.c_str(), nullptr), std::free);
  const std::string path = whole ? whole.get() : release;
  return path.substr(path.find_last_of('/') + 1);
}

/// Holds the data folder for one program, and waits while an older one drains: it has the ports too.
bool hold(const Fd& lock) {
  for (int tries = 0; tries < 120 && told_to_stop == 0; ++tries) {
    if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR)) return true;
    pause(std::chrono::milliseconds(100));
  }
  return false;
}

void note(const std::string& words) { complain(config.name + " " + config.version + ": " + words); }

constexpr int look_each_s = 5, patience = 6;

/// Until told to stop. False where it does not answer its own question for half a minute: who started it
/// starts it again then.
bool watch(const Front& front, Status& status) {
  int silent = 0;
  for (;;) {
    for (int i = 0; i < look_each_s * 5 && told_to_stop == 0; ++i) pause(std::chrono::milliseconds(200));
    if (told_to_stop != 0) return true;
    silent = front.ready() ? 0 : silent + 1;
    if (silent > 0) status.failed("/v2/health/ready does not answer");
    if (silent == patience) return false;
  }
}

/// Ends as SIGTERM does: what is under way is answered.
void end_without_licence() { kill(getpid(), SIGTERM); }

int serve(const std::string& release, const std::string& data, Licence& licence) {
  std::unique_ptr<Status> status;
  std::mutex mutex;  // answers may come before there is a status
  const auto tell = [&](auto what) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (status) what(*status);
  };
  Workers::Ear ear;
  ear.answered = [&](Status::Clock::duration took) { tell([&](Status& s) { s.answered(took); }); };
  ear.failed = [&](const std::string& words) { tell([&](Status& s) { s.failed(words); }); };
  Front front(release + "/model", {service_config.http, service_config.grpc}, ear);
  // status.json is what a deployer takes for health: not before the question was answered over the network.
  if (!front.ready()) {
    complain("/v2/health/ready does not answer");
    return Exit::failed;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex);
    status = std::make_unique<Status>(data + "/status.json", folder_name(release), [&licence] { return licence.told(); });
    status->expect(front.service().workers().expected());
  }
  note("ready; " + front.words());
  if (Licence::wanted()) licence.watch(note, end_without_licence);
  const bool well = watch(front, *status);
  note(well ? "told to stop; answers what is under way" : "does not answer any more; ends");
  if (!well) std::_Exit(Exit::failed);  // a thread that hangs cannot be joined
  front.end();
  note("all is answered");
  return licence.runs() ? Exit::ok : Exit::licence;
}

}  // namespace

int run(const std::string& release, const std::string& data) {
  struct sigaction action {};
  action.sa_handler = hear_stop;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  const std::string lock_path = data + "/.lock";
  const Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock.open()) {
    complain(trouble(lock_path, errno));
    return Exit::failed;
  }
  if (!hold(lock)) {
    if (told_to_stop != 0) return Exit::ok;
    complain(data + ": another program runs on this folder");
    return Exit::locked;
  }
  Licence licence(data);
  if (!licence.runs()) {
    note(licence.told().words);
    const Status said(data + "/status.json", folder_name(release), [&licence] { return licence.told(); });
    return Exit::licence;
  }
  try {
    return serve(release, data, licence);
  } catch (const ModelError& error) {
    complain(error.what());
    return error.exit_code();
  }
}

}  // namespace edgepack::program
