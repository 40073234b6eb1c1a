// An encrypted model's file, and a key that is wrapped for one box: docs/how-to/encryption.md has both byte for byte.
// edgepack/model/sealed.py and edgepack/ship/model_key.py write what is read here.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace edgepack::program {

/// Memory that the system keeps off its disk where it lets us, and out of core dumps; wiped when it is let go.
class HiddenMemory {
 public:
  HiddenMemory() = default;
  /// Throws std::bad_alloc. There is a zero byte behind the last one.
  explicit HiddenMemory(std::size_t size);
  HiddenMemory(HiddenMemory&& other) noexcept;
  HiddenMemory& operator=(HiddenMemory&& other) noexcept;
  ~HiddenMemory();

  unsigned char* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// Whether it holds anything: false of one made without a size.
  bool there() const { return data_ != nullptr; }

 private:
  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
};

using Devices = std::vector<std::pair<std::string, std::string>>;  // sources and fingerprints, as device.hpp says them

/// The content key in a wrapped one's line. Where it does not open here, nothing, and `why` in words.
HiddenMemory unwrap(const std::string& line, const std::string& app, const std::string& id, const Devices& box,
                    std::string& why);

/// The id of the key that a file is encrypted with; empty where it is not encrypted. Throws ReadError.
std::string sealed_with(const std::string& path);

/// The plain bytes. Throws ReadError for whatever is not, to the bit, what was encrypted with that key; nothing of it is
/// given then.
HiddenMemory unseal(const std::string& path, const HiddenMemory& key);

}  // namespace edgepack::program
