#include "held.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"

enum { LINE_MOST = 128, CHUNKS_MOST = 4 << 20 };

static int by_name(const void *one, const void *other) {
  const struct held_chunk *a = one, *b = other;
  const int order = memcmp(a->name, b->name, CHUNK_NAME);
  return order != 0 ? order : (a->at > b->at) - (a->at < b->at);
}

static int unhex_name(const char *word, uint8_t name[CHUNK_NAME]) {
  char padded[2 * DIGEST + 1];
  uint8_t digest[DIGEST];
  if (strlen(word) != 2 * CHUNK_NAME) return 0;
  memset(padded, '0', 2 * DIGEST);
  padded[2 * DIGEST] = '\0';
  memcpy(padded, word, 2 * CHUNK_NAME);
  if (!unhex(padded, digest)) return 0;
  memcpy(name, digest, CHUNK_NAME);
  return 1;
}

struct held held_of(const char *path, uint8_t base[DIGEST]) {
  struct held held = {NULL, 0, 0};
  char line[LINE_MOST], name[LINE_MOST];
  uint64_t room = 0;
  FILE *list = fopen(path, "re");
  if (list == NULL) fail("read", "%s: %s", path, strerror(errno));
  if (fgets(line, sizeof line, list) == NULL) line[0] = '\0';
  line[strcspn(line, "\n")] = '\0';
  if (!unhex(line, base)) fail("bad-chunks", "%s does not begin with a sha256", path);
  while (fgets(line, sizeof line, list) != NULL) {
    unsigned length = 0;
    struct held_chunk chunk = {.at = held.size};
    if (sscanf(line, "%u %127s", &length, name) != 2 || length == 0 || length > CHUNK_MOST || !unhex_name(name, chunk.name) ||
        held.count == CHUNKS_MOST)
      fail("bad-chunks", "%s: this is no list of chunks", path);
    if (held.count == room) {
      room = room == 0 ? 1024 : 2 * room;
      held.chunks = realloc(held.chunks, room * sizeof *held.chunks);
      if (held.chunks == NULL) fail("memory", "no memory for a list of chunks");
    }
    chunk.length = length;
    held.chunks[held.count++] = chunk;
    held.size += length;
  }
  fclose(list);
  if (held.count > 0) qsort(held.chunks, held.count, sizeof *held.chunks, by_name);
  return held;
}

/* The first chunk that does not come before `wanted`. */
static const struct held_chunk *not_before(const struct held *held, const struct held_chunk *wanted) {
  uint64_t low = 0, high = held->count;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (by_name(&held->chunks[middle], wanted) < 0) low = middle + 1;
    else high = middle;
  }
  return low < held->count ? &held->chunks[low] : NULL;
}

int held_at(const struct held *held, const uint8_t *bytes, uint32_t length, uint64_t near, uint64_t *at) {
  struct held_chunk wanted = {.at = near};
  chunk_name(bytes, length, wanted.name);
  /* What goes on where the last copy ended makes one block with it. */
  const struct held_chunk *found = not_before(held, &wanted);
  if (found == NULL || memcmp(found->name, wanted.name, CHUNK_NAME) != 0) {
    wanted.at = 0;
    found = not_before(held, &wanted);
  }
  if (found == NULL || memcmp(found->name, wanted.name, CHUNK_NAME) != 0 || found->length != length) return 0;
  *at = found->at;
  return 1;
}
