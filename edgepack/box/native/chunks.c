#include "chunks.h"

#include <sodium/crypto_hash_sha256.h>
#include <string.h>

const uint64_t *gear(void) {
  static uint64_t table[256];
  if (table[255] != 0) return table;
  uint64_t state = 1;
  for (int i = 0; i < 256; ++i) {
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    table[i] = z ^ (z >> 31);
  }
  return table;
}

size_t chunk_length(const uint8_t *bytes, size_t size) {
  const uint64_t *noise = gear();
  const size_t most = size < CHUNK_MOST ? size : (size_t)CHUNK_MOST;
  uint64_t hash = 0;
  /* The highest bits depend on the last 64 bytes: what stands before the least length need not be read but for those. */
  for (size_t i = CHUNK_LEAST - 64; i < most; ++i) {
    hash = (hash << 1) + noise[bytes[i]];
    if (i + 1 >= CHUNK_LEAST && hash >> (64 - CHUNK_BITS) == 0) return i + 1;
  }
  return most;
}

void chunk_name(const uint8_t *bytes, size_t length, uint8_t name[CHUNK_NAME]) {
  uint8_t digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(digest, bytes, length);
  memcpy(name, digest, CHUNK_NAME);
}
