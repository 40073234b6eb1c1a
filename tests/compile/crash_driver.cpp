// Crashes of all kinds, by number, behind the program's own handler. Its lines are named in test_crash.py.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "crash.hpp"
#include "recent.hpp"

namespace planted {

volatile int nothing = 0;

__attribute__((noinline)) int deeper(int depth) {
  volatile char much[512] = {};
  if (depth < 0) return 0;
  return deeper(depth + 1) + much[depth & 255];
}

__attribute__((noinline)) void null_pointer() {
  *reinterpret_cast<volatile int*>(static_cast<std::uintptr_t>(nothing)) = 1;
  nothing = nothing + 1;
}

__attribute__((noinline)) void damaged() {
  volatile std::uintptr_t* const frame = static_cast<std::uintptr_t*>(__builtin_frame_address(0));
  for (int i = -8; i < 40; ++i) frame[i] = UINTPTR_MAX / 255 * 0x41;
}

__attribute__((noinline)) void plant(const char* how) {
  const auto is = [how](const char* word) { return std::strcmp(how, word) == 0; };
  if (is("null")) null_pointer();
  if (is("abort")) std::abort();
  if (is("deep")) nothing = deeper(0);
  if (is("called")) reinterpret_cast<void (*)()>(static_cast<std::uintptr_t>(nothing))();
  if (is("trap")) __builtin_trap();
  if (is("damaged")) damaged();
  if (is("thread")) std::thread(plant, "null").join();
  if (is("deep thread")) std::thread(plant, "deep").join();
  if (is("four")) {
    std::thread first(plant, "null"), second(plant, "abort"), third(plant, "null"), fourth(plant, "deep");
    first.join();
    second.join();
    third.join();
    fourth.join();
  }
  nothing = nothing + 1;
}

}  // namespace planted

int main(int, char** words) {
  auto& stage = edgepack::program::recents.claim("pre");
  for (int us = 1; us <= 10; ++us) stage.took(std::chrono::microseconds(us * 1001));
  stage.begin();
  edgepack::program::tell_of_crashes("00112233445566778899aabbccddeeff00112233");
  planted::plant(words[1]);
}
