#include "crash_frames.hpp"

#include <ucontext.h>
#include <unwind.h>

// LLVM's unwinder, which is inside every program that zig links, can begin at any registers: so it begins at those of
// the moment, and the way back through the signal's own frame, of which armhf has no description, is not needed. It is
// called by what its documentation promises, as its header is not among those that zig gives. gcc's unwinder has no
// such call; these are null there.
extern "C" {
int unw_getcontext(void* context) __attribute__((weak));
int unw_init_local(void* cursor, void* context) __attribute__((weak));
int unw_step(void* cursor) __attribute__((weak));
int unw_get_reg(void* cursor, int number, std::uintptr_t* value) __attribute__((weak));
int unw_set_reg(void* cursor, int number, std::uintptr_t value) __attribute__((weak));
}

namespace edgepack::program {

namespace {

constexpr int unwound_pc = -1, unwound_sp = -2;  // UNW_REG_IP, UNW_REG_SP

/// The registers of the moment, in DWARF's order, which is also the unwinder's.
struct Registers {
  std::uintptr_t pc = 0, sp = 0;
  std::uintptr_t general[32] = {};
  int count = 0;
  std::uintptr_t caller = 0;  // where a function that did nothing yet would return to
  std::uintptr_t caller_sp = 0;
};

#if defined(__x86_64__)
constexpr bool known_registers = true;
Registers registers_of(const ucontext_t& context) {
  static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  const auto& all = context.uc_mcontext.gregs;
  Registers now;
  now.pc = static_cast<std::uintptr_t>(all[REG_RIP]);
  now.sp = static_cast<std::uintptr_t>(all[REG_RSP]);
  for (const int at : order) now.general[now.count++] = static_cast<std::uintptr_t>(all[at]);
  return now;
}
/// The call has put it on the stack. Read only where it is wanted: the stack may be what is damaged.
void find_caller(Registers& now) {
  now.caller = *reinterpret_cast<const std::uintptr_t*>(now.sp);
  now.caller_sp = now.sp + sizeof now.caller;
}
#elif defined(__aarch64__)
constexpr bool known_registers = true;
Registers registers_of(const ucontext_t& context) {
  const auto& all = context.uc_mcontext;
  Registers now;
  now.pc = static_cast<std::uintptr_t>(all.pc);
  now.sp = static_cast<std::uintptr_t>(all.sp);
  for (int at = 0; at < 31; ++at) now.general[now.count++] = static_cast<std::uintptr_t>(all.regs[at]);
  return now;
}
void find_caller(Registers& now) {
  now.caller = now.general[30];
  now.caller_sp = now.sp;
}
#elif defined(__arm__)
constexpr bool known_registers = true;
Registers registers_of(const ucontext_t& context) {
  const auto& all = context.uc_mcontext;
  Registers now;
  now.pc = all.arm_pc;
  now.sp = all.arm_sp;
  const auto* const from_r0 = &all.arm_r0;  // to r10, fp, ip, sp and lr, one after the other
  for (int at = 0; at < 15; ++at) now.general[now.count++] = from_r0[at];
  return now;
}
void find_caller(Registers& now) {
  now.caller = now.general[14] & ~std::uintptr_t{1};  // the lowest bit says Thumb
  now.caller_sp = now.sp;
}
#elif defined(__riscv)
constexpr bool known_registers = true;
Registers registers_of(const ucontext_t& context) {
  const auto& all = context.uc_mcontext.__gregs;  // pc in the place of x0
  Registers now;
  now.pc = static_cast<std::uintptr_t>(all[0]);
  now.sp = static_cast<std::uintptr_t>(all[2]);
  now.count = 1;
  for (int at = 1; at < 32; ++at) now.general[now.count++] = static_cast<std::uintptr_t>(all[at]);
  return now;
}
void find_caller(Registers& now) {
  now.caller = now.general[1];
  now.caller_sp = now.sp;
}
#else
constexpr bool known_registers = false;
Registers registers_of(const ucontext_t&) { return {}; }
void find_caller(Registers&) {}
#endif

/// As large as any architecture's, several times over: their sizes are in the header that is not there.
struct alignas(16) Cursor {
  char context[4096];
  char at[4096];
};

void begin_at(Cursor& cursor, const Registers& now, std::uintptr_t pc, std::uintptr_t sp) {
  unw_getcontext(cursor.context);
  unw_init_local(cursor.at, cursor.context);
  unw_set_reg(cursor.at, unwound_pc, pc);  // first: it may change others
  for (int at = 0; at < now.count; ++at) unw_set_reg(cursor.at, at, now.general[at]);
  unw_set_reg(cursor.at, unwound_sp, sp);
}

void by_llvm(const Registers& now, FrameTold told, void* to) {
  if (!told(now.pc, to)) return;
  Cursor cursor;
  // The unwinder takes what it is given for a return address, and leaves out what is described from that very
  // instruction on. armhf's tables know functions as a whole, and the lowest bit is Thumb's there.
  begin_at(cursor, now, sizeof(void*) == 4 ? now.pc : now.pc + 1, now.sp);
  if (unw_step(cursor.at) <= 0) {
    // No code there: a call through a bad pointer, say a null one. Nothing was done yet but the call.
    Registers called = now;
    find_caller(called);
    if (!told(called.caller, to)) return;
    begin_at(cursor, called, called.caller - 1, called.caller_sp);
    if (unw_step(cursor.at) <= 0) return;
  }
  for (;;) {
    std::uintptr_t pc = 0;
    if (unw_get_reg(cursor.at, unwound_pc, &pc) != 0 || pc == 0 || !told(pc, to)) return;
    if (unw_step(cursor.at) <= 0) return;
  }
}

struct Heard {
  FrameTold told;
  void* to;
  std::uintptr_t from;  // the frame to begin at: those before it are the handler's own
  bool begun, came;  // to that one, and beyond it
};

void by_gcc(const Registers& now, FrameTold told, void* to) {
  if (known_registers && !told(now.pc, to)) return;
  Heard heard{told, to, now.pc, !known_registers, false};
  _Unwind_Backtrace(
      [](_Unwind_Context* frame, void* with) {
        auto& heard = *static_cast<Heard*>(with);
        const auto pc = static_cast<std::uintptr_t>(_Unwind_GetIP(frame));
        if (heard.begun) {
          heard.came = heard.came || pc != 0;
          return pc != 0 && heard.told(pc, heard.to) ? _URC_NO_REASON : _URC_END_OF_STACK;
        }
        heard.begun = pc == heard.from;
        return _URC_NO_REASON;
      },
      &heard);
  if (heard.came || !known_registers) return;
  Registers called = now;  // not past the signal's frame, or a call through a bad pointer: one caller is better than none
  find_caller(called);
  static_cast<void>(told(called.caller, to));
}

}  // namespace

void frames_of(void* context, FrameTold told, void* to) {
  const Registers now = registers_of(*static_cast<const ucontext_t*>(context));
  const bool llvm = unw_getcontext != nullptr && unw_init_local != nullptr && unw_step != nullptr &&
                    unw_get_reg != nullptr && unw_set_reg != nullptr;
  if (llvm && known_registers) return by_llvm(now, told, to);
  by_gcc(now, told, to);
}

}  // namespace edgepack::program
