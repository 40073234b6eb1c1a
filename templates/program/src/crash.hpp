// What the program says of itself when it crashes: a few lines on stderr, which is the log, each of its own.
//
//   crash: begin build-id=4f1c… signal=SIGSEGV number=11 code=1 address=0x10 thread=4242
//   crash: frame program+0x16766
//   crash: frame libonnxruntime.so.1+0x5b120
//   crash: frame ?+0x10
//   crash: skipped 20113
//   crash: stage post images=12 ms=0.412,0.398 at_work_ms=3 crashed=1
//   crash: note the backtrace ends here: reading the stack failed
//   crash: end
//
// Frames begin at the instruction that failed; the others are return addresses. Whoever has the symbols of that
// build-id makes functions and lines of it: the box has none. After it the program ends by its signal as it would have,
// so that its exit status and a core dump are the same.
#pragma once

namespace edgepack::program {

/// From now on: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP (`__builtin_trap` on aarch64) and SIGABRT are told of.
/// build_id: kept as it is, so it must live as long as the program does.
void tell_of_crashes(const char* build_id);

/// A stack for the handler, for the calling thread: its own may be what ran out. Threads of pthread_create get theirs by
/// themselves (crash_threads.cpp).
void ready_crash_stack();

}  // namespace edgepack::program
