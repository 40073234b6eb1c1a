// The partner's own C++: names that a C++ library inside the SDK has too.
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

extern "C" int throws_and_catches(void) {
  int caught = 0;
  std::thread other([&] {
    try {
      throw std::out_of_range(std::string("mine"));
    } catch (const std::exception& error) {
      caught += error.what() == std::string("mine");
    }
  });
  other.join();
  try {
    throw std::bad_alloc();
  } catch (const std::bad_alloc&) {
    ++caught;
  }
  return caught == 2;
}
