#include "sources/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace edgepack::program {

namespace {

constexpr std::size_t most_at_once = 1U << 20U;

/// What has come, appended; false at the end.
bool drain(const Fd& from, std::string& to) {
  char block[65536];
  for (std::size_t taken = 0; taken < most_at_once;) {
    const ssize_t got = ::read(from.get(), block, sizeof block);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    to.append(block, static_cast<std::size_t>(got));
    taken += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

Child::Child(const std::vector<std::string>& words, const std::vector<std::string>& environment) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
  out_ = Fd(out[0]);
  const Fd out_there(out[1]);
  if (pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
  err_ = Fd(err[0]);
  const Fd err_there(err[1]);
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  // All memory is asked for before the fork: another thread may hold malloc's lock there.
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> around;
  for (const std::string& one : environment) around.push_back(const_cast<char*>(one.c_str()));
  for (char** one = environ; *one != nullptr; ++one) around.push_back(*one);
  around.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // it was quicker
    dup2(nothing.get(), 0);
    dup2(out_there.get(), 1);
    dup2(err_there.get(), 2);
    environ = around.data();
    execvp(argv[0], argv.data());
    _exit(127);
  }
  // Only these two: the child's ends share nothing of them.
  fcntl(out_.get(), F_SETFL, O_NONBLOCK);
  fcntl(err_.get(), F_SETFL, O_NONBLOCK);
}

Child::~Child() { end(std::chrono::milliseconds(0)); }

bool Child::read(std::chrono::milliseconds patience, std::string& out, std::string& err) {
  pollfd about[2] = {{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}};
  if (poll(about, 2, static_cast<int>(patience.count())) <= 0) return true;
  // Its complaints may end before its output, which is then watched alone: a poll of what is closed returns at once.
  if (err_.open() && about[1].revents != 0 && !drain(err_, err)) err_ = Fd();
  return about[0].revents == 0 || drain(out_, out);
}

int Child::end(std::chrono::milliseconds patience) {
  if (pid_ < 0) return 0;
  const auto until = std::chrono::steady_clock::now() + patience;
  int status = 0;
  pid_t found = 0;
  while ((found = waitpid(pid_, &status, WNOHANG)) == 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (found == 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace edgepack::program
