/* Chunks whose ends content alone decides (after LBFS, Muthitacharoen 2001; by a gear hash as in FastCDC, Xia 2016): what two
 * files have in common has the same chunks in both, wherever it stands. */
#ifndef EDGEPACK_CHUNKS_H
#define EDGEPACK_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

enum {
  CHUNK_LEAST = 8 << 10, /* bytes; only a file's last one is shorter */
  CHUNK_MOST = 128 << 10,
  CHUNK_BITS = 15,       /* an end in 2^CHUNK_BITS bytes, on average */
  CHUNK_NAME = 16        /* bytes of a chunk's sha256: the whole file's is checked in the end */
};

/* How long the first chunk of `size` bytes is; they are the rest of a file, or at least CHUNK_MOST of it. */
size_t chunk_length(const uint8_t *bytes, size_t size);

void chunk_name(const uint8_t *bytes, size_t length, uint8_t name[CHUNK_NAME]);

/* A number for each byte, from splitmix64 (Steele, Lea, Flood 2014): any fixed noise does. */
const uint64_t *gear(void);

#endif
