// How the stages went lately, where also a signal handler can read it: atomics alone, in one place, no lock.
#pragma once

#include <time.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace edgepack::program {

/// Of one stage; its thread writes.
struct Recent {
  static constexpr std::size_t kept = 8, stages = 8;

  char name[16] = {};
  std::atomic<std::uint32_t> images{0};
  std::atomic<std::uint32_t> took_us[kept] = {};  // the n-th image's at n % kept
  std::atomic<std::uint32_t> since_ms{0};         // of `clock_ms`; 0 where it waits
  std::atomic<const void*> thread{nullptr};       // `this_thread` of who works in it

  /// Never 0. Wraps after 49 days, as differences of it do.
  static std::uint32_t clock_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint32_t>(now.tv_sec * 1000 + now.tv_nsec / 1000000) | 1U;
  }

  /// An address that no other thread has.
  static const void* this_thread() {
    static thread_local char here = 0;
    return &here;
  }

  void begin() {
    thread.store(this_thread(), std::memory_order_relaxed);
    since_ms.store(clock_ms(), std::memory_order_relaxed);
  }
  void took(std::chrono::steady_clock::duration time) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    const std::uint32_t number = images.load(std::memory_order_relaxed);
    took_us[number % kept].store(static_cast<std::uint32_t>(us), std::memory_order_relaxed);
    images.store(number + 1, std::memory_order_release);
    since_ms.store(0, std::memory_order_relaxed);
  }
};

/// All of them, in the order in which they were claimed.
struct Recents {
  Recent stage[Recent::stages];
  std::atomic<std::size_t> used{0};

  /// One for a stage of that name, or one that nobody reads where there are more than there is room for.
  Recent& claim(const char* name) {
    static Recent spare;
    const std::size_t at = used++;
    if (at >= Recent::stages) return spare;
    std::strncpy(stage[at].name, name, sizeof stage[at].name - 1);
    return stage[at];
  }
};

inline Recents recents;

}  // namespace edgepack::program
