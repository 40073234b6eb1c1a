#include "crash.hpp"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include "crash_frames.hpp"
#include "recent.hpp"

// All below runs in a signal handler, in the middle of anything: no memory, no lock, no stdio, no exception; write(2),
// and what POSIX lists as safe there.

namespace edgepack::program {

namespace {

constexpr struct {
  int number;
  const char* name;
} crashes[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
               {SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}};

constexpr std::size_t first_frames = 32, last_frames = 8;  // what is between them is counted: a recursion says it twice
constexpr std::time_t walking_s = 4;                       // of CPU time, for the stack
constexpr unsigned telling_s = 30;                         // for all of it: a lock may be held by the thread that crashed
constexpr std::size_t stack_bytes = std::size_t{128} << 10U;

/// One line, and so one write: other threads go on and have things to say.
class Line {
 public:
  explicit Line(const char* kind) { text("crash: ").text(kind); }
  Line& text(const char* words) {
    while (*words != '\0') put(*words++);
    return *this;
  }
  Line& number(std::uint64_t value, unsigned base = 10) {
    char digits[20];
    std::size_t count = 0;
    do {
      digits[count++] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    while (count > 0) put(digits[--count]);
    return *this;
  }
  Line& address(std::uint64_t value) { return text("0x").number(value, 16); }
  Line& milliseconds(std::uint64_t us) {
    number(us / 1000).text(".");
    put(static_cast<char>('0' + us / 100 % 10));
    put(static_cast<char>('0' + us / 10 % 10));
    put(static_cast<char>('0' + us % 10));
    return *this;
  }
  /// A file's name may hold anything.
  Line& name(const char* words) {
    for (; *words != '\0'; ++words) {
      const char at = *words;
      const bool plain = (at >= '0' && at <= '9') || (at >= 'a' && at <= 'z') || (at >= 'A' && at <= 'Z') ||
                         at == '.' || at == '-' || at == '_' || at == '[' || at == ']';
      put(plain ? at : '_');
    }
    return *this;
  }
  void end() {
    text_[size_++] = '\n';
    const char* from = text_;
    while (size_ > 0) {
      const ssize_t written = write(STDERR_FILENO, from, size_);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;  // there is nowhere else to say it
      from += written;
      size_ -= static_cast<std::size_t>(written);
    }
  }

 private:
  void put(char at) {
    if (size_ + 1 < sizeof text_) text_[size_++] = at;
  }

  char text_[400];
  std::size_t size_ = 0;
};

/// Not on the handler's stack: what is read after a jump back into it has to have survived.
struct Crash {
  std::atomic<pid_t> thread{0};  // of the first one, which is told of
  volatile std::sig_atomic_t number = 0;
  volatile std::sig_atomic_t walking = 0;
  sigjmp_buf back;
  std::size_t frames = 0;
  std::uintptr_t last[last_frames] = {};
  std::time_t until = 0;
  bool cut = false;  // at that time
  const char* build_id = "";
  std::uintptr_t base = 0, begins = 0, ends = 0;  // where the program is
};
Crash crash;

/// Which file an address is of, by the kernel's list. Its first mapping is where its addresses begin.
struct Mapping {
  char path[192];
  std::uintptr_t base;
};

bool find_mapping(std::uintptr_t address, Mapping& found) {
  const int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char chunk[1024], path[sizeof found.path];
  std::uintptr_t bounds[2] = {};
  std::size_t field = 0, length = 0;  // fields: from-to, four of no interest, the path
  found.path[0] = '\0';
  bool there = false;
  for (ssize_t size = 0; !there && (size = read(file, chunk, sizeof chunk)) > 0;) {
    for (ssize_t i = 0; i < size && !there; ++i) {
      const char at = chunk[i];
      if (at == '\n') {
        path[length] = '\0';
        bool same = true;
        for (std::size_t k = 0; k <= length && same; ++k) same = path[k] == found.path[k];
        if (!same || length == 0) {
          for (std::size_t k = 0; k <= length; ++k) found.path[k] = path[k];
          found.base = bounds[0];
        }
        there = address >= bounds[0] && address < bounds[1];
        bounds[0] = bounds[1] = 0;
        field = length = 0;
      } else if (field == 0 || field == 1) {
        const int digit = at >= 'a' && at <= 'f' ? at - 'a' + 10 : at >= '0' && at <= '9' ? at - '0' : -1;
        if (digit >= 0) bounds[field] = bounds[field] * 16 + static_cast<std::uintptr_t>(digit);
        if (digit < 0) ++field;
      } else if (at == ' ' && field < 5) {
        ++field;
      } else if (field == 5 && (at != ' ' || length > 0) && length + 1 < sizeof path) {
        path[length++] = at;
      }
    }
  }
  close(file);
  return there && found.path[0] != '\0';
}

void tell_frame(std::uintptr_t pc) {
  Line line("frame ");
  if (pc >= crash.begins && pc < crash.ends) return line.text("program+").address(pc - crash.base).end();
  Mapping mapping;
  if (!find_mapping(pc, mapping)) return line.text("?+").address(pc).end();
  const char* name = mapping.path;
  for (const char* at = mapping.path; *at != '\0'; ++at) {
    if (*at == '/' && at[1] != '\0') name = at + 1;
  }
  line.name(name).text("+").address(pc - mapping.base).end();
}

bool tell_or_keep(std::uintptr_t pc, void*) {
  if (crash.frames < first_frames) {
    tell_frame(pc);
  } else {
    crash.last[crash.frames % last_frames] = pc;
  }
  ++crash.frames;
  timespec now{};
  if (crash.frames % 64 == 0) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  crash.cut = now.tv_sec > crash.until;
  return !crash.cut;
}

void tell_frames(void* context) {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  crash.until = now.tv_sec + walking_s;
  if (sigsetjmp(crash.back, 1) == 0) {
    crash.walking = 1;
    frames_of(context, tell_or_keep, nullptr);
  } else {
    Line("note the backtrace ends here: reading the stack failed").end();
  }
  crash.walking = 0;
  if (crash.frames <= first_frames) return;
  const std::size_t kept = std::min(crash.frames - first_frames, last_frames);
  if (crash.frames > first_frames + kept) Line("skipped ").number(crash.frames - first_frames - kept).end();
  for (std::size_t i = crash.frames - kept; i < crash.frames; ++i) tell_frame(crash.last[i % last_frames]);
  if (crash.cut) Line("note the backtrace ends here: it is too long").end();
}

/// Milliseconds at the last pictures, the latest first.
void tell_stage(const Recent& stage) {
  const std::uint32_t images = stage.images.load(), since = stage.since_ms.load();
  if (images == 0 && since == 0) return;
  Line line("stage ");
  line.name(stage.name).text(" images=").number(images);
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(images, Recent::kept); ++i) {
    line.text(i == 0 ? " ms=" : ",").milliseconds(stage.took_us[(images - 1 - i) % Recent::kept].load());
  }
  if (since != 0) line.text(" at_work_ms=").number(Recent::clock_ms() - since);
  if (since != 0 && stage.thread.load() == Recent::this_thread()) line.text(" crashed=1");
  line.end();
}

void tell(int number, const siginfo_t& info, void* context, pid_t thread) {
  Line line("begin build-id=");
  line.text(crash.build_id).text(" signal=");
  for (const auto& known : crashes) {
    if (known.number == number) line.text(known.name);
  }
  line.text(" number=").number(static_cast<unsigned>(number));
  if (info.si_code > 0) {  // of the processor, and not sent by somebody
    line.text(" code=").number(static_cast<unsigned>(info.si_code));
    line.text(" address=").address(reinterpret_cast<std::uintptr_t>(info.si_addr));
  } else {
    line.text(" from=").number(static_cast<std::uint64_t>(info.si_pid));
  }
  line.text(" thread=").number(static_cast<std::uint64_t>(thread)).end();
  tell_frames(context);
  const std::size_t stages = std::min<std::size_t>(recents.used.load(), Recent::stages);
  for (std::size_t i = 0; i < stages; ++i) tell_stage(recents.stage[i]);
  Line("end").end();
}

void by_default(int number) {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(number, &action, nullptr);
}

/// The program ends as it would have. What the processor found wrong it finds again after the handler; what somebody
/// sent, abort() also, is sent again. It waits until the handler is left, so that a core dump has the registers of then.
void give_back(int number, const siginfo_t& info) {
  by_default(number);
  if (info.si_code > 0 && number != SIGTRAP) return;  // after an x86 breakpoint a program would go on
  sigset_t it;
  sigemptyset(&it);
  sigaddset(&it, number);
  sigprocmask(SIG_BLOCK, &it, nullptr);
  syscall(SYS_tgkill, getpid(), static_cast<pid_t>(syscall(SYS_gettid)), number);
}

void pause_for_other() {
  for (int tries = 0; tries < 800; ++tries) {  // longer than `telling_s`
    const timespec pause{0, 50000000};
    nanosleep(&pause, nullptr);
  }
}

void handle(int number, siginfo_t* info, void* context) {
  const auto self = static_cast<pid_t>(syscall(SYS_gettid));
  pid_t first = 0;
  if (crash.thread.compare_exchange_strong(first, self)) {
    crash.number = number;
    alarm(telling_s);
    tell(number, *info, context, self);
    alarm(0);
  } else if (first != self) {
    pause_for_other();  // which ends this thread too
  } else if (crash.walking != 0) {
    crash.walking = 0;
    siglongjmp(crash.back, 1);
  }
  give_back(number, *info);
}

void too_long(int) {
  by_default(crash.number);
  kill(getpid(), crash.number);
}

void listen_for(int number, void (*with)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = with;
  // Also in the handler: a stack that cannot be read is a crash too.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigfillset(&action.sa_mask);
  sigdelset(&action.sa_mask, SIGALRM);
  for (const auto& known : crashes) sigdelset(&action.sa_mask, known.number);
  sigaction(number, &action, nullptr);
}

pthread_key_t stack_key;

void drop_stack(void* stack) {
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
  munmap(stack, stack_bytes);
}

}  // namespace

void ready_crash_stack() {
  static const bool made = pthread_key_create(&stack_key, drop_stack) == 0;
  if (!made) return;
  void* const memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;  // then all but a stack that ran out is told of
  const long page = sysconf(_SC_PAGESIZE);
  mprotect(memory, static_cast<std::size_t>(page), PROT_NONE);
  stack_t stack{};
  stack.ss_sp = static_cast<char*>(memory) + page;
  stack.ss_size = stack_bytes - static_cast<std::size_t>(page);
  if (sigaltstack(&stack, nullptr) != 0 || pthread_setspecific(stack_key, memory) != 0) drop_stack(memory);
}

void tell_of_crashes(const char* build_id) {
  crash.build_id = build_id;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void*) {
        crash.base = info->dlpi_addr;
        crash.begins = UINTPTR_MAX;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& header = info->dlpi_phdr[i];
          if (header.p_type != PT_LOAD) continue;
          crash.begins = std::min<std::uintptr_t>(crash.begins, crash.base + header.p_vaddr);
          crash.ends = std::max<std::uintptr_t>(crash.ends, crash.base + header.p_vaddr + header.p_memsz);
        }
        return 1;  // the program itself comes first
      },
      nullptr);
  ready_crash_stack();
  struct sigaction action {};
  action.sa_handler = too_long;
  sigaction(SIGALRM, &action, nullptr);
  for (const auto& known : crashes) listen_for(known.number, handle);
}

}  // namespace edgepack::program
