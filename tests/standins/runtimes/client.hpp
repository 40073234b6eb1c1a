// What the small programs share that call a stand-in: one right way, and one fault each, by the name of the case.
//   client MODEL PIXELS [FAULT]   pixels: {N, C, H, W} bytes; prints all outputs as numbers, logits first
#pragma once

#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

inline std::string the_fault;
inline std::string model_path;
inline std::vector<std::uint8_t> pixels;  // {1, 3, 4, 5}
constexpr std::size_t kChannels = 3, kPlane = 20, kPixels = 60, kLogits = 3, kHeat = 24;

/// Whether this run is to make that mistake.
inline bool fault(const char* name) { return the_fault == name; }

template <class Char = char>
std::vector<Char> contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void begin(int argc, char** argv) {
  if (argc < 3) std::abort();
  model_path = argv[1];
  pixels = contents<std::uint8_t>(argv[2]);
  if (argc > 3) the_fault = argv[3];
}

/// Ends at once where a call was refused: what the library says at unload is not this case's.
inline void must(bool ok, const std::string& call, long code = 0) {
  if (ok) return;
  std::fprintf(stderr, "%s: refused with %ld\n", call.c_str(), code);
  std::fflush(stderr);
  _exit(3);
}

/// The same of a code that is 0 where it went well.
inline void ok(long code, const std::string& call) { must(code == 0, call, code); }

/// {C, H, W} → {H, W, C}.
template <class Number>
std::vector<Number> last(const std::vector<Number>& from) {
  std::vector<Number> out(from.size());
  for (std::size_t c = 0; c < kChannels; ++c) {
    for (std::size_t p = 0; p < kPlane; ++p) out[p * kChannels + c] = from[c * kPlane + p];
  }
  return out;
}

template <class Number>
void show(const Number* values, std::size_t count, float scale = 1, int zero = 0) {
  for (std::size_t i = 0; i < count; ++i) std::printf("%.9g\n", static_cast<double>((static_cast<float>(values[i]) - zero) * scale));
}
