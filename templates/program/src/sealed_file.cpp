#include "sealed_file.hpp"

#include <fcntl.h>
#include <sodium/crypto_aead_chacha20poly1305.h>
#include <sodium/crypto_generichash_blake2b.h>
#include <sodium/crypto_pwhash_argon2id.h>
#include <sodium/utils.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sstream>

#include "file.hpp"

// Two functions that libsodium calls; its own would link all of its start-up. The first where its caller is at fault, the
// second to fill Argon2's result until it is computed.
extern "C" void sodium_misuse(void) { std::abort(); }

extern "C" void randombytes_buf(void* to, std::size_t size) {
  const edgepack::program::Fd source(::open("/dev/urandom", O_RDONLY | O_CLOEXEC));
  if (::read(source.get(), to, size) != static_cast<ssize_t>(size)) std::abort();
}

namespace edgepack::program {

namespace {

constexpr std::size_t key_size = 32, mark_size = 32, id_size = 16, chunk_size = 64 << 10;
constexpr std::size_t tag_size = crypto_aead_chacha20poly1305_ietf_ABYTES;
constexpr std::size_t salt_size = crypto_pwhash_argon2id_SALTBYTES;
const std::string magic = "edgepack-sealed 1\n";
// What it costs to try one fingerprint, since a serial number has few digits: Argon2id over 16 MiB, three times.
constexpr unsigned long long passes = 3;
constexpr std::size_t pass_memory = 16 << 20;

/// 32 bytes for one purpose: BLAKE2b with the key, its personalisation the purpose.
void derive(unsigned char* to, const unsigned char* key, const char* purpose, const unsigned char* data, std::size_t size) {
  unsigned char personal[crypto_generichash_blake2b_PERSONALBYTES] = {};
  std::memcpy(personal, purpose, std::strlen(purpose));
  crypto_generichash_blake2b_salt_personal(to, key_size, data, size, key, key_size, nullptr, personal);
}

std::string hex(const unsigned char* bytes, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += "0123456789abcdef"[bytes[i] >> 4U];
    text += "0123456789abcdef"[bytes[i] & 15U];
  }
  return text;
}

bool from_hex(const std::string& text, unsigned char* to, std::size_t count) {
  if (text.size() != 2 * count || text.find_first_not_of("0123456789abcdef") != std::string::npos) return false;
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<unsigned char>(digit(text[2 * i]) * 16 + digit(text[2 * i + 1]));
  return true;
}

/// ChaCha20-Poly1305 as in RFC 8439, with a nonce of zeros: no key is used for more than one message.
bool decrypt(unsigned char* to, const unsigned char* from, std::size_t size, const std::string& about,
             const unsigned char* key) {
  const unsigned char nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {};
  const auto* with = reinterpret_cast<const unsigned char*>(about.data());
  return crypto_aead_chacha20poly1305_ietf_decrypt(to, nullptr, nullptr, from, size, with, about.size(), nonce, key) == 0;
}

bool opens(const HiddenMemory& content, const unsigned char* wrapped, const unsigned char* salt, const std::string& about,
           const std::string& fingerprint) {
  const HiddenMemory key(key_size);
  if (crypto_pwhash_argon2id(key.data(), key_size, fingerprint.data(), fingerprint.size(), salt, passes, pass_memory,
                             crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
    throw std::bad_alloc();
  }
  return decrypt(content.data(), wrapped, key_size + tag_size, about, key.data());
}

std::string id_of(const HiddenMemory& key) {
  unsigned char id[key_size];
  derive(id, key.data(), "edgepack-key-id", nullptr, 0);
  return hex(id, id_size / 2);
}

struct Head {
  std::string key;  // its id
  std::uint64_t size = 0;
  std::size_t chunks = 0;
};

constexpr std::size_t head_size = 18 + id_size + 8;

/// Nothing but what the first bytes say; chunks is 0 where the file's length is not what follows from it.
Head head_of(const unsigned char* bytes, std::size_t file_size) {
  Head head;
  head.key.assign(reinterpret_cast<const char*>(bytes) + magic.size(), id_size);
  for (std::size_t i = 8; i-- > 0;) head.size = head.size << 8U | bytes[magic.size() + id_size + i];
  if (head.size > file_size) throw ReadError("");
  head.chunks = static_cast<std::size_t>(head.size / chunk_size + (head.size % chunk_size != 0 ? 1 : 0));
  if (file_size != head_size + head.chunks * (mark_size + tag_size) + mark_size + head.size) throw ReadError("");
  return head;
}

/// Decrypts chunk after chunk; false where one is not what its mark says.
bool open_chunks(const Fd& file, const std::string& path, const Head& head, const unsigned char* marks,
                 const HiddenMemory& key, unsigned char* to) {
  std::size_t at = head_size + head.chunks * mark_size + mark_size;
  std::size_t left = static_cast<std::size_t>(head.size);
  std::vector<unsigned char> sealed(chunk_size + tag_size);
  const HiddenMemory own(key_size);
  for (std::size_t n = 0; n < head.chunks; ++n) {
    const std::size_t size = std::min(left, chunk_size);
    read_at(file, path, at, sealed.data(), size + tag_size);
    derive(own.data(), key.data(), "edgepack-chunk", marks + n * mark_size, mark_size);
    if (!decrypt(to, sealed.data(), size + tag_size, "", own.data())) return false;
    to += size;
    at += size + tag_size;
    left -= size;
  }
  return true;
}

}  // namespace

HiddenMemory::HiddenMemory(std::size_t size) : size_(size) {
  void* found = mmap(nullptr, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (found == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<unsigned char*>(found);
  // An account may lock little: what cannot be locked is used all the same.
  static_cast<void>(mlock(found, size + 1));
#ifdef MADV_DONTDUMP
  static_cast<void>(madvise(found, size + 1, MADV_DONTDUMP));
#endif
}

HiddenMemory::HiddenMemory(HiddenMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

HiddenMemory& HiddenMemory::operator=(HiddenMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

HiddenMemory::~HiddenMemory() {
  if (data_ == nullptr) return;
  sodium_memzero(data_, size_);
  munmap(data_, size_ + 1);
}

HiddenMemory unwrap(const std::string& line, const std::string& app, const std::string& id, const Devices& box,
                    std::string& why) {
  std::istringstream words(line);
  std::string name, form, its_app, its_id, source, salt_text, wrapped_text, more;
  words >> name >> form >> its_app >> its_id >> source >> salt_text >> wrapped_text;
  unsigned char salt[salt_size], wrapped[key_size + tag_size];
  if (name != "edgepack-key" || form != "1" || words >> more || !from_hex(salt_text, salt, salt_size) ||
      !from_hex(wrapped_text, wrapped, sizeof wrapped)) {
    why = "the file of the model's key is damaged, or of a newer edgepack";
    return {};
  }
  if (its_app != app || its_id != id) {
    why = "the file of the model's key has the key " + its_id + " of " + its_app + ", and this is " + id + " of " + app;
    return {};
  }
  const std::string about = line.substr(0, line.rfind(' '));  // all before the wrapped key itself
  HiddenMemory content(key_size);
  bool has_source = false;
  for (const auto& [known, fingerprint] : box) {
    if (known != source) continue;
    has_source = true;
    if (opens(content, wrapped, salt, about, fingerprint) && id_of(content) == id) return content;
  }
  why = "the model's key " + id + " was wrapped for another box, " +
        (has_source ? "whose " + source + " is another, or its file is damaged"
                    : "which has a " + source + " that can be read");
  return {};
}

std::string sealed_with(const std::string& path) {
  const Fd file = open_regular(path, true);
  unsigned char bytes[head_size];
  if (size_of(file, path) < head_size) return "";
  read_at(file, path, 0, bytes, head_size);
  if (std::memcmp(bytes, magic.data(), magic.size()) != 0) return "";
  return {reinterpret_cast<const char*>(bytes) + magic.size(), id_size};
}

HiddenMemory unseal(const std::string& path, const HiddenMemory& key) {
  const Fd file = open_regular(path, true);
  const ReadError changed(path + ": the encrypted model is not as it was written");
  std::vector<unsigned char> front(head_size);
  Head head;
  try {
    read_at(file, path, 0, front.data(), front.size());
    head = head_of(front.data(), size_of(file, path));
  } catch (const ReadError&) {
    throw changed;
  }
  front.resize(head_size + head.chunks * mark_size + mark_size);
  read_at(file, path, 0, front.data(), front.size());
  const std::size_t marked = front.size() - mark_size;
  unsigned char mark[mark_size];
  derive(mark, key.data(), "edgepack-header", front.data(), marked);
  if (std::memcmp(front.data(), magic.data(), magic.size()) != 0 || sodium_memcmp(mark, front.data() + marked, mark_size) != 0) {
    throw changed;
  }
  HiddenMemory plain(static_cast<std::size_t>(head.size));
  if (!open_chunks(file, path, head, front.data() + head_size, key, plain.data())) throw changed;
  return plain;
}

}  // namespace edgepack::program
