#include "sinks/fed_child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace edgepack::program {

namespace {

constexpr std::size_t kept_words = 4096, longest_last_line = 300;

/// One end stays here and does not block, the other is the child's.
struct ChildPipe {
  Fd here, there;

  explicit ChildPipe(bool write_here) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
    here = Fd(ends[write_here ? 1 : 0]);
    there = Fd(ends[write_here ? 0 : 1]);
    fcntl(here.get(), F_SETFL, O_NONBLOCK);
  }
};

}  // namespace

FedChild::FedChild(const std::vector<std::string>& words) {
  ChildPipe in(true), err(false);
  const Fd nothing(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  // All memory is asked for before the fork: another thread may hold malloc's lock there.
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
    dup2(in.there.get(), 0);
    dup2(nothing.get(), 1);
    dup2(err.there.get(), 2);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  in_ = std::move(in.here);
  err_ = std::move(err.here);
}

FedChild::~FedChild() { end(std::chrono::milliseconds(0)); }

/// What it complains of is read all the time, else it would wait for that.
void FedChild::listen() {
  char block[4096];
  for (ssize_t got = 0; err_.open() && (got = ::read(err_.get(), block, sizeof block)) > 0;) {
    words_.append(block, static_cast<std::size_t>(got));
    if (words_.size() > 2 * kept_words) words_.erase(0, words_.size() - kept_words);
  }
}

FedChild::Took FedChild::give(std::string_view& bytes, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!bytes.empty()) {
    listen();
    const ssize_t put = ::write(in_.get(), bytes.data(), bytes.size());
    if (put > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
      continue;
    }
    if (put < 0 && errno != EAGAIN && errno != EINTR) return Took::none_more;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    if (left <= 0) return Took::some;
    pollfd about{in_.get(), POLLOUT, 0};
    ::poll(&about, 1, static_cast<int>(std::min<long long>(left, 100)));
  }
  return Took::all;
}

std::string FedChild::last_words() {
  listen();
  std::string said;
  std::size_t end = words_.find_last_not_of("\r\n ");
  for (int line = 0; line < 2 && end != std::string::npos; ++line) {
    const std::size_t before = words_.find_last_of("\r\n", end), begin = before == std::string::npos ? 0 : before + 1;
    said = words_.substr(begin, std::min(end + 1 - begin, longest_last_line)) + (said.empty() ? "" : "; ") + said;
    end = begin == 0 ? std::string::npos : words_.find_last_not_of("\r\n ", begin - 1);
  }
  for (char& c : said) c = c >= ' ' && c <= '~' ? c : '?';
  return said;
}

bool FedChild::alive() {
  listen();
  if (pid_ >= 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ >= 0;
}

int FedChild::end(std::chrono::milliseconds patience) {
  in_ = Fd();
  const auto until = std::chrono::steady_clock::now() + patience;
  while (alive() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (pid_ >= 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) continue;
    pid_ = -1;
  }
  return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
}

}  // namespace edgepack::program
