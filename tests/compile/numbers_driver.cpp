// Numbers as accelerators keep them, a question a line on stdin, bits on stdout:
//   half BITS            the float of a half's bits
//   float BITS           the half of a float's bits
//   bfloat BITS          the bfloat16 of a float's bits; wide BITS: back
//   int8 STEP ZERO BITS  the float, quantised; uint8 too
#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>

#include "numbers.hpp"

using namespace edgepack::program;

namespace {

float real(std::uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

int main() {
  std::string word;
  while (std::cin >> word) {
    std::uint32_t bits = 0;
    float step = 0;
    int zero = 0;
    if (word == "int8" || word == "uint8") std::cin >> step >> zero;
    std::cin >> bits;
    if (word == "half") {
      const float value = from_half(static_cast<std::uint16_t>(bits));
      std::memcpy(&bits, &value, sizeof bits);
      std::cout << bits << '\n';
    } else if (word == "float") {
      std::cout << to_half(real(bits)) << '\n';
    } else if (word == "bfloat") {
      std::cout << to_bfloat(real(bits)) << '\n';
    } else if (word == "wide") {
      const float value = from_bfloat(static_cast<std::uint16_t>(bits));
      std::memcpy(&bits, &value, sizeof bits);
      std::cout << bits << '\n';
    } else if (word == "int8") {
      std::cout << static_cast<int>(quantised<std::int8_t>(real(bits), step, zero)) << '\n';
    } else {
      std::cout << static_cast<int>(quantised<std::uint8_t>(real(bits), step, zero)) << '\n';
    }
  }
  return 0;
}
