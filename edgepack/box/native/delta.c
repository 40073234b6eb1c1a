/* Numbers as differences to those of a base.
 *
 * Of weights that were trained a little further, the difference to the old ones, taken as integers of the number's
 * own width, is small; zigzag makes small negative ones small too, and the bytes of the same significance side by side
 * are what a compressor shortens. It is exact for every content: integers wrap around.
 *
 * Without a base the same turns floats so that their exponents are bytes of their own, which repeat more than the rest.
 *
 * In the result: the bytes before the first whole number and after the last one, as differences, then the lowest byte of
 * each number, the next one of each, and so on. */
#include <string.h>

#include "parcel.h"

static uint32_t number(const uint8_t *from, unsigned width) {
  if (width == 1) return from[0];
  if (width == 2) return from[0] | (uint32_t)from[1] << 8;
  return get32(from);
}

static uint8_t byte_of(const uint8_t *base, size_t at) { return base == NULL ? 0 : base[at]; }

static uint32_t number_of(const uint8_t *base, size_t at, unsigned width) {
  return base == NULL ? 0 : number(base + at, width);
}

static uint32_t zigzag(uint32_t difference, unsigned width) {
  const unsigned bits = 8 * width;
  const uint32_t all = 0xffffffffu >> (32 - bits);
  const uint32_t sign = difference >> (bits - 1) & 1u;
  return ((difference << 1) ^ (sign ? all : 0u)) & all;
}

static uint32_t unzigzag(uint32_t value) { return (value >> 1) ^ (value & 1u ? 0xffffffffu : 0u); }

void delta_of(const uint8_t *file, const uint8_t *base, size_t bytes, unsigned width, unsigned phase, uint8_t *to) {
  const size_t first = phase < bytes ? phase : bytes;
  const size_t count = (bytes - first) / width;
  const size_t after = first + count * width;
  uint8_t *loose = to;
  for (size_t i = 0; i < first; ++i) *loose++ = (uint8_t)(file[i] - byte_of(base, i));
  for (size_t i = after; i < bytes; ++i) *loose++ = (uint8_t)(file[i] - byte_of(base, i));
  for (size_t i = 0; i < count; ++i) {
    const size_t at = first + i * width;
    const uint32_t value = zigzag(number(file + at, width) - number_of(base, at, width), width);
    for (unsigned plane = 0; plane < width; ++plane) loose[plane * count + i] = (uint8_t)(value >> (8 * plane));
  }
}

void delta_undo(const uint8_t *delta, const uint8_t *base, size_t bytes, unsigned width, unsigned phase, uint8_t *to) {
  const size_t first = phase < bytes ? phase : bytes;
  const size_t count = (bytes - first) / width;
  const size_t after = first + count * width;
  const uint8_t *loose = delta;
  for (size_t i = 0; i < first; ++i) to[i] = (uint8_t)(*loose++ + byte_of(base, i));
  for (size_t i = after; i < bytes; ++i) to[i] = (uint8_t)(*loose++ + byte_of(base, i));
  for (size_t i = 0; i < count; ++i) {
    const size_t at = first + i * width;
    uint32_t value = 0;
    for (unsigned plane = 0; plane < width; ++plane) value |= (uint32_t)loose[plane * count + i] << (8 * plane);
    value = unzigzag(value) + number_of(base, at, width);
    for (unsigned byte = 0; byte < width; ++byte) to[at + byte] = (uint8_t)(value >> (8 * byte));
  }
}
