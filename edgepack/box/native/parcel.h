/* A parcel makes one file of the store, block by block, mostly out of a base that the box has.
 * The form is in docs/design/ship-plan.md; numbers are little endian. */
#ifndef EDGEPACK_PARCEL_H
#define EDGEPACK_PARCEL_H

#include <stddef.h>
#include <stdint.h>

enum {
  PARCEL_HEAD = 104,        /* bytes: see `struct parcel` */
  BLOCK_HEAD = 32,          /* bytes: see `struct block` */
  BLOCK_MOST = 1 << 20,     /* bytes that one block makes, the last one of a file fewer */
  WINDOW_MOST = 4 << 20,    /* bytes of the base that one block looks at */
  DIGEST = 32               /* bytes of a sha256 */
};

#define PARCEL_MAGIC 0x31504b45u /* "EKP1": a parcel follows */
#define PARCEL_END 0x31454b45u   /* "EKE1": none does */

/* Files of up to 1 TiB: what is more is a damaged number. */
#define FILE_MOST ((uint64_t)1 << 40)

enum kind {
  BLOCK_RAW = 0,   /* the bytes */
  BLOCK_ZSTD = 1,  /* the bytes, compressed */
  BLOCK_COPY = 2,  /* the base's bytes, as many as the block makes; nothing follows */
  BLOCK_PATCH = 3, /* compressed with the base's window as its prefix */
  BLOCK_DELTA = 4, /* numbers as differences to the base's window, see `delta.c`; compressed */
  BLOCK_PLANES = 5 /* the same as differences to nothing: of weights that have no base, or only a strange one */
};

/* magic, mode, sha256, size, sha256 of the base (zeros: none), its size, from: where the blocks begin. */
struct parcel {
  uint32_t mode;
  uint8_t sha256[DIGEST];
  uint64_t size;
  uint8_t base[DIGEST];
  uint64_t base_size;
  uint64_t from;
};

/* kind, what follows, what it makes, width and phase of a delta, the base's window. */
struct block {
  uint32_t kind;
  uint32_t packed; /* bytes that follow */
  uint32_t made;   /* bytes of the file */
  uint32_t width;  /* of a delta's numbers: 1, 2 or 4 bytes */
  uint32_t phase;  /* bytes before the first of them, less than the width */
  uint64_t base_at;
  uint32_t base_length;
};

void parcel_write(const struct parcel *parcel, uint8_t head[PARCEL_HEAD]);
void block_write(const struct block *block, uint8_t head[BLOCK_HEAD]);

/* What is wrong with it, in words; NULL where it may be worked on. A parcel comes without its magic's check. */
const char *parcel_read(const uint8_t head[PARCEL_HEAD], struct parcel *to);
const char *block_read(const uint8_t head[BLOCK_HEAD], const struct parcel *parcel, uint64_t at, struct block *to);

uint32_t get32(const uint8_t *from);
void put32(uint8_t *to, uint32_t value);

/* Differences as bytes that compress well, and back. `bytes` of each; width 1, 2 or 4; phase below it; base: NULL for
 * one of zeros. */
void delta_of(const uint8_t *file, const uint8_t *base, size_t bytes, unsigned width, unsigned phase, uint8_t *to);
void delta_undo(const uint8_t *delta, const uint8_t *base, size_t bytes, unsigned width, unsigned phase, uint8_t *to);

#endif
