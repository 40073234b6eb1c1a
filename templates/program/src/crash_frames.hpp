// The stack of a thread as it was when a signal interrupted it.
#pragma once

#include <cstdint>

namespace edgepack::program {

/// Called with each frame, innermost first; false to hear of no more.
using FrameTold = bool (*)(std::uintptr_t pc, void* to);

/// Walks it. context: the `ucontext_t` that the handler was given. May fault where the stack is damaged; asks for no
/// memory and takes no lock but the dynamic linker's, where there is one.
void frames_of(void* context, FrameTold told, void* to);

}  // namespace edgepack::program
