#include "anchors.h"

#include <stdlib.h>
#include <string.h>

#include "chunks.h"
#include "io.h"

enum { REACH = 64, MASK_BITS = 10, VOTES = 512 };

struct anchor {
  uint64_t hash, at;
};

struct anchors {
  struct anchor *table; /* open addressing; a hash of 0 is an empty place */
  uint64_t places;      /* a power of two */
};

/* Calls `found` at each byte where the last REACH ones say so: one in 2^MASK_BITS, on average. */
static void each(const uint8_t *bytes, uint64_t size, void (*found)(void *, uint64_t, uint64_t), void *with) {
  const uint64_t *noise = gear();
  uint64_t hash = 0;
  for (uint64_t i = 0; i < size; ++i) {
    hash = (hash << 1) + noise[bytes[i]];
    /* The highest bits depend on the last 64 bytes. */
    if (i >= REACH && hash >> (64 - MASK_BITS) == 0 && hash != 0) found(with, hash, i);
  }
}

static void insert(void *with, uint64_t hash, uint64_t at) {
  struct anchors *anchors = with;
  uint64_t place = hash & (anchors->places - 1);
  for (int tries = 0; tries < 16; ++tries) {
    struct anchor *anchor = &anchors->table[place];
    if (anchor->hash == 0) {
      *anchor = (struct anchor){hash, at};
      return;
    }
    if (anchor->hash == hash) return; /* what repeats itself tells little of a place */
    place = (place + 1) & (anchors->places - 1);
  }
}

struct anchors *anchors_of(const uint8_t *bytes, uint64_t size) {
  struct anchors *anchors = reserve(sizeof *anchors);
  anchors->places = 1024;
  while (anchors->places < (size >> MASK_BITS) * 2) anchors->places *= 2;
  anchors->table = calloc(anchors->places, sizeof *anchors->table);
  if (anchors->table == NULL) fail("memory", "no memory for the base's index");
  gear();
  each(bytes, size, insert, anchors);
  return anchors;
}

struct vote {
  const struct anchors *anchors;
  int64_t shift[VOTES];
  unsigned count[VOTES], used;
};

static void elect(void *with, uint64_t hash, uint64_t at) {
  struct vote *vote = with;
  uint64_t place = hash & (vote->anchors->places - 1);
  for (int tries = 0; tries < 16; ++tries, place = (place + 1) & (vote->anchors->places - 1)) {
    const struct anchor *anchor = &vote->anchors->table[place];
    if (anchor->hash == 0) return;
    if (anchor->hash != hash) continue;
    const int64_t shift = (int64_t)(anchor->at - at);
    for (unsigned i = 0; i < vote->used; ++i) {
      if (vote->shift[i] != shift) continue;
      ++vote->count[i];
      return;
    }
    if (vote->used == VOTES) return;
    vote->shift[vote->used] = shift;
    vote->count[vote->used++] = 1;
    return;
  }
}

uint64_t anchors_place(const struct anchors *anchors, const uint8_t *block, size_t bytes, uint64_t at) {
  static _Thread_local struct vote vote;
  vote.anchors = anchors;
  vote.used = 0;
  each(block, bytes, elect, &vote);
  unsigned most = 0;
  int64_t best = (int64_t)at;
  for (unsigned i = 0; i < vote.used; ++i) {
    /* Of equals the block's own place: files mostly change in place. */
    if (vote.count[i] > most || (vote.count[i] == most && vote.shift[i] == (int64_t)at)) {
      most = vote.count[i];
      best = vote.shift[i];
    }
  }
  return best < 0 ? 0 : (uint64_t)best;
}
