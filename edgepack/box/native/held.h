/* What a box holds, as it says itself: the chunks of a base that this host does not have. */
#ifndef EDGEPACK_HELD_H
#define EDGEPACK_HELD_H

#include <stdint.h>

#include "chunks.h"
#include "parcel.h"

struct held_chunk {
  uint8_t name[CHUNK_NAME];
  uint64_t at;
  uint32_t length;
};

struct held {
  struct held_chunk *chunks; /* by name, then by place */
  uint64_t count, size;      /* size: of the whole file */
};

/* The list in a file: a line of the base's sha256, then lines of `BYTES NAME`. Fails where it is no such list: it comes
 * from a box, which may say anything. */
struct held held_of(const char *path, uint8_t base[DIGEST]);

/* Whether the base has these bytes, and where; at `near` where it has them there too. */
int held_at(const struct held *held, const uint8_t *bytes, uint32_t length, uint64_t near, uint64_t *at);

#endif
