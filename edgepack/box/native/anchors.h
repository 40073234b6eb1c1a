/* Where a block's bytes were in the base: by places that content alone decides (after LBFS, Muthitacharoen 2001; the
 * rolling hash is a gear hash as in FastCDC, Xia 2016). */
#ifndef EDGEPACK_ANCHORS_H
#define EDGEPACK_ANCHORS_H

#include <stddef.h>
#include <stdint.h>

struct anchors;

/* Of a base; bytes may be NULL where size is 0. Lives until the program ends. */
struct anchors *anchors_of(const uint8_t *bytes, uint64_t size);

/* The place in the base that most of a block's anchors point at, as the block's first byte; `at` where they point nowhere. */
uint64_t anchors_place(const struct anchors *anchors, const uint8_t *block, size_t bytes, uint64_t at);

#endif
