/* Heads of parcels and blocks: to bytes, and back as if a stranger had written them. */
#include "parcel.h"

#include <string.h>

static uint64_t get64(const uint8_t *from) { return get32(from) | (uint64_t)get32(from + 4) << 32; }

static void put64(uint8_t *to, uint64_t value) {
  put32(to, (uint32_t)value);
  put32(to + 4, (uint32_t)(value >> 32));
}

uint32_t get32(const uint8_t *from) {
  return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

void put32(uint8_t *to, uint32_t value) {
  for (int i = 0; i < 4; ++i) to[i] = (uint8_t)(value >> (8 * i));
}

void parcel_write(const struct parcel *parcel, uint8_t head[PARCEL_HEAD]) {
  memset(head, 0, PARCEL_HEAD);
  put32(head, PARCEL_MAGIC);
  put32(head + 4, parcel->mode);
  memcpy(head + 8, parcel->sha256, DIGEST);
  put64(head + 40, parcel->size);
  memcpy(head + 48, parcel->base, DIGEST);
  put64(head + 80, parcel->base_size);
  put64(head + 88, parcel->from);
}

void block_write(const struct block *block, uint8_t head[BLOCK_HEAD]) {
  memset(head, 0, BLOCK_HEAD);
  put32(head, block->kind);
  put32(head + 4, block->packed);
  put32(head + 8, block->made);
  head[12] = (uint8_t)block->width;
  head[13] = (uint8_t)block->phase;
  put64(head + 16, block->base_at);
  put32(head + 24, block->base_length);
}

const char *parcel_read(const uint8_t head[PARCEL_HEAD], struct parcel *to) {
  to->mode = get32(head + 4);
  memcpy(to->sha256, head + 8, DIGEST);
  to->size = get64(head + 40);
  memcpy(to->base, head + 48, DIGEST);
  to->base_size = get64(head + 80);
  to->from = get64(head + 88);
  if (to->mode != 0644 && to->mode != 0755) return "a file's mode is neither 0644 nor 0755";
  if (to->size > FILE_MOST || to->base_size > FILE_MOST) return "a size is beyond any file's";
  if (to->from > to->size) return "its blocks begin after the file's end";
  return NULL;
}

const char *block_read(const uint8_t head[BLOCK_HEAD], const struct parcel *parcel, uint64_t at, struct block *to) {
  to->kind = get32(head);
  to->packed = get32(head + 4);
  to->made = get32(head + 8);
  to->width = head[12];
  to->phase = head[13];
  to->base_at = get64(head + 16);
  to->base_length = get32(head + 24);
  const uint64_t left = parcel->size - at;
  if (to->made == 0 || to->made > BLOCK_MOST || to->made > left) return "a block makes more than the file has";
  if (to->kind > BLOCK_PLANES) return "a block is of a kind that this helper does not know";
  /* What does not shrink is sent as it is: more bytes than the block makes are never needed. */
  if (to->packed > to->made) return "a block is larger than what it makes";
  if (to->kind == BLOCK_RAW && to->packed != to->made) return "a block of plain bytes has another length";
  if (to->kind == BLOCK_COPY && to->packed != 0) return "a copy brings bytes along";
  if (to->kind >= BLOCK_DELTA) {
    if (to->width != 1 && to->width != 2 && to->width != 4) return "numbers have 1, 2 or 4 bytes";
    if (to->phase >= to->width) return "numbers begin after the first one's end";
  }
  if (to->kind == BLOCK_RAW || to->kind == BLOCK_ZSTD || to->kind == BLOCK_PLANES) return NULL;
  if (to->base_length == 0 || to->base_length > WINDOW_MOST) return "a block's window is too large";
  if (to->base_at > parcel->base_size || to->base_length > parcel->base_size - to->base_at)
    return "a block looks beyond its base's end";
  return to->kind == BLOCK_PATCH || to->base_length == to->made ? NULL : "a block's window has another length";
}
