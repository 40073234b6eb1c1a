/* The other half, on the host that ships: a file and its base into a parcel, each block by whatever is smallest.
 *
 * Nothing here is linked into a box's helper. What a block may be is tried, not guessed from names or formats: plain, zstd,
 * a copy, zstd with the base as prefix, numbers as differences in each width and phase. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "anchors.h"
#include "held.h"
#include "io.h"
#include "parcel.h"
#include "zstd.h"

enum { SAMPLE = 128 << 10, LEAST = 32 << 10, MARGIN = (WINDOW_MOST - BLOCK_MOST) / 2, THREADS_MOST = 16 };

/* A whole file in memory, as the kernel likes to keep it. */
struct mapped {
  const uint8_t *bytes;
  uint64_t size;
};

/* One block as it will be sent. Of one that was split, `next` is what comes after it. */
struct packed {
  struct block about;
  uint8_t *bytes;
  struct packed *next;
};

/* A part of the file that becomes a block or more: at most BLOCK_MOST bytes. */
struct span {
  uint64_t at, base_at;
  uint32_t made;
  int copied; /* the base has these bytes at base_at */
};

struct job {
  struct mapped file, base;
  struct anchors *anchors;
  int level;
  uint64_t next, count;
  struct span *spans;
  struct packed *packed;
  pthread_mutex_t mutex;
};

/* What a worker has for itself. */
struct worker {
  ZSTD_CCtx *quick, *thorough, *patching;
  uint8_t *numbers, *tried;
  size_t room;
};

static struct mapped map(const char *path) {
  struct mapped mapped = {NULL, 0};
  struct stat about;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &about) != 0) fail("read", "%s: %s", path, strerror(errno));
  mapped.size = (uint64_t)about.st_size;
  if (mapped.size > 0) {
    void *bytes = mmap(NULL, mapped.size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) fail("read", "%s: %s", path, strerror(errno));
    mapped.bytes = bytes;
  }
  close(fd);
  return mapped;
}

static size_t squeeze(ZSTD_CCtx *zstd, const uint8_t *from, size_t bytes, const uint8_t *prefix, size_t length,
                      uint8_t *to, size_t room) {
  if (prefix != NULL) ZSTD_CCtx_refPrefix(zstd, prefix, length);
  const size_t packed = ZSTD_compress2(zstd, to, room, from, bytes);
  if (ZSTD_isError(packed)) fail("encode", "zstd: %s", ZSTD_getErrorName(packed));
  return packed;
}

static void keep(struct packed *best, const struct block *about, const uint8_t *bytes, size_t packed) {
  if (packed >= best->about.packed) return;
  best->about = *about;
  best->about.packed = (uint32_t)packed;
  memcpy(best->bytes, bytes, packed);
}

/* The width and phase whose differences shrink the most, by a part of the block and little effort; then all of it.
 * base: NULL for differences to nothing. */
static void try_numbers(struct worker *worker, const uint8_t *file, const uint8_t *base, struct block about,
                        struct packed *best) {
  const uint32_t sample = about.made < SAMPLE ? about.made : SAMPLE;
  const uint32_t from = ((about.made - sample) / 2) & ~3u;
  size_t least = SIZE_MAX;
  for (unsigned width = base == NULL ? 2 : 1; width <= 4; width *= 2) {
    for (unsigned phase = 0; phase < width; ++phase) {
      delta_of(file + from, base == NULL ? NULL : base + from, sample, width, phase, worker->numbers);
      const size_t packed = squeeze(worker->quick, worker->numbers, sample, NULL, 0, worker->tried, worker->room);
      if (packed < least) {
        least = packed;
        about.width = width;
        about.phase = phase;
      }
    }
  }
  /* Weights without a base give little: where a part of them gives nothing, the whole is not tried. */
  if (base == NULL && least >= sample) return;
  delta_of(file, base, about.made, about.width, about.phase, worker->numbers);
  keep(best, &about, worker->tried,
       squeeze(worker->thorough, worker->numbers, about.made, NULL, 0, worker->tried, worker->room));
}

static void try_patch(const struct job *job, struct worker *worker, uint64_t at, uint32_t made, uint64_t base_at,
                      struct packed *best) {
  const uint64_t from = base_at > MARGIN ? base_at - MARGIN : 0;
  if (from >= job->base.size) return;
  const uint64_t left = job->base.size - from;
  const size_t length = left < WINDOW_MOST ? (size_t)left : (size_t)WINDOW_MOST;
  struct block about = {.kind = BLOCK_PATCH, .made = made, .base_at = from, .base_length = (uint32_t)length};
  keep(best, &about, worker->tried,
       squeeze(worker->patching, job->file.bytes + at, made, job->base.bytes + from, length, worker->tried,
               worker->room));
}

/* How many bytes of a block are better a block of their own; 0: it stays whole. */
static uint32_t cut(const struct job *job, const uint8_t *file, uint64_t at, uint32_t made, uint64_t base_at) {
  /* Where the base ends within it: what has grown at its end is still numbers before that. */
  if (base_at < job->base.size && job->base.size - base_at < made && job->base.size - base_at >= LEAST)
    return (uint32_t)(job->base.size - base_at);
  /* Halves that come from two places: something was put in, taken out, or moved. */
  const uint32_t half = made / 2;
  if (half < LEAST) return 0;
  const int64_t first = (int64_t)(anchors_place(job->anchors, file, half, at) - at);
  const int64_t second = (int64_t)(anchors_place(job->anchors, file + half, made - half, at + half) - (at + half));
  return first == second ? 0 : half;
}

static void encode(const struct job *job, struct worker *worker, uint64_t at, uint32_t made, struct packed *best) {
  const uint8_t *file = job->file.bytes + at;
  const uint64_t base_at = anchors_place(job->anchors, file, made, at);
  const int inside = base_at <= job->base.size && made <= job->base.size - base_at;
  if (job->base.size > 0 && inside && memcmp(file, job->base.bytes + base_at, made) == 0) {
    best->about = (struct block){.kind = BLOCK_COPY, .made = made, .base_at = base_at, .base_length = made};
    return;
  }
  const uint32_t first = job->base.size > 0 ? cut(job, file, at, made, base_at) : 0;
  if (first > 0) {
    encode(job, worker, at, first, best);
    struct packed *last = best;
    while (last->next != NULL) last = last->next;
    last->next = reserve(sizeof *last->next);
    memset(last->next, 0, sizeof *last->next);
    encode(job, worker, at + first, made - first, last->next);
    return;
  }
  best->bytes = reserve(made);
  best->about = (struct block){.kind = BLOCK_RAW, .packed = made, .made = made};
  memcpy(best->bytes, file, made);
  if (job->base.size > 0) {
    try_patch(job, worker, at, made, base_at, best);
    if (inside) {
      const struct block delta = {.kind = BLOCK_DELTA, .made = made, .base_at = base_at, .base_length = made};
      try_numbers(worker, file, job->base.bytes + base_at, delta, best);
    }
  }
  try_numbers(worker, file, NULL, (struct block){.kind = BLOCK_PLANES, .made = made}, best);
  struct block about = {.kind = BLOCK_ZSTD, .made = made};
  keep(best, &about, worker->tried, squeeze(worker->thorough, file, made, NULL, 0, worker->tried, worker->room));
}

static ZSTD_CCtx *compressor(int level) {
  ZSTD_CCtx *zstd = ZSTD_createCCtx();
  if (zstd == NULL) fail("memory", "no memory for zstd");
  ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 23); /* window and block in reach */
  return zstd;
}

static void *work(void *given) {
  struct job *job = given;
  struct worker worker = {compressor(1), compressor(job->level), compressor(job->level), reserve(BLOCK_MOST), NULL,
                          ZSTD_compressBound(BLOCK_MOST)};
  /* Of a prefix zstd indexes the last 8 << log bytes alone, and chooses the logs by the block's size. */
  ZSTD_CCtx_setParameter(worker.patching, ZSTD_c_hashLog, 20);
  ZSTD_CCtx_setParameter(worker.patching, ZSTD_c_chainLog, 20);
  worker.tried = reserve(worker.room);
  for (;;) {
    pthread_mutex_lock(&job->mutex);
    const uint64_t number = job->next++;
    pthread_mutex_unlock(&job->mutex);
    if (number >= job->count) break;
    const struct span *span = &job->spans[number];
    if (span->copied)
      job->packed[number].about = (struct block){
          .kind = BLOCK_COPY, .made = span->made, .base_at = span->base_at, .base_length = span->made};
    else
      encode(job, &worker, span->at, span->made, &job->packed[number]);
  }
  ZSTD_freeCCtx(worker.quick);
  ZSTD_freeCCtx(worker.thorough);
  ZSTD_freeCCtx(worker.patching);
  free(worker.numbers);
  free(worker.tried);
  return NULL;
}

static void digest(const char *path, uint8_t to[DIGEST]) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || sha256_of(fd, to) != 0) fail("read", "%s: %s", path, strerror(errno));
  close(fd);
}

static void put(FILE *to, const char *path, const void *bytes, size_t length) {
  if (length > 0 && fwrite(bytes, 1, length, to) != length) fail("write", "%s: %s", path, strerror(errno));
}

/* The parcel, and one line on stdout: how many bytes of the file each kind of block made, and what they cost. */
static void write_parcel(const struct job *job, const struct parcel *about, const char *path) {
  FILE *to = fopen(path, "we");
  if (to == NULL) fail("write", "%s: %s", path, strerror(errno));
  uint8_t head[PARCEL_HEAD];
  unsigned long long made[BLOCK_PLANES + 1] = {0}, sent[BLOCK_PLANES + 1] = {0};
  parcel_write(about, head);
  put(to, path, head, PARCEL_HEAD);
  for (uint64_t i = 0; i < job->count; ++i) {
    for (const struct packed *packed = &job->packed[i]; packed != NULL; packed = packed->next) {
      block_write(&packed->about, head);
      put(to, path, head, BLOCK_HEAD);
      put(to, path, packed->bytes, packed->about.packed);
      made[packed->about.kind] += packed->about.made;
      sent[packed->about.kind] += packed->about.packed + BLOCK_HEAD;
    }
  }
  if (fflush(to) != 0 || fclose(to) != 0) fail("write", "%s: %s", path, strerror(errno));
  static const char *const names[] = {"raw", "zstd", "copy", "patch", "delta", "planes"};
  printf("{");
  for (int kind = 0; kind <= BLOCK_PLANES; ++kind)
    printf("%s\"%s\": [%llu, %llu]", kind ? ", " : "", names[kind], made[kind], sent[kind]);
  printf("}\n");
}

static void add_span(struct job *job, struct span span) {
  job->spans[job->count++] = span;
}

/* Where nothing is known of the base but its bytes: one block after the other. */
static void span_evenly(struct job *job, uint64_t at, uint64_t end) {
  for (; at < end; at += BLOCK_MOST) {
    const uint64_t left = end - at;
    add_span(job, (struct span){.at = at, .made = left < BLOCK_MOST ? (uint32_t)left : (uint32_t)BLOCK_MOST});
  }
}

/* Where its chunks are known: what both files have is copied, and what stands between is blocks without a base. */
static void span_by_chunks(struct job *job, const struct held *held) {
  uint64_t fresh = 0; /* where what the base lacks began */
  struct span *last = NULL;
  for (uint64_t at = 0, length; at < job->file.size; at += length) {
    const uint64_t left = job->file.size - at;
    uint64_t base_at;
    length = chunk_length(job->file.bytes + at, left < CHUNK_MOST ? (size_t)left : (size_t)CHUNK_MOST);
    if (!held_at(held, job->file.bytes + at, (uint32_t)length, last != NULL ? last->base_at + last->made : 0, &base_at)) {
      if (last != NULL) fresh = at;
      last = NULL;
      continue;
    }
    if (last != NULL && last->base_at + last->made == base_at && last->made + length <= BLOCK_MOST) {
      last->made += (uint32_t)length;
      continue;
    }
    if (last == NULL) span_evenly(job, fresh, at);
    last = &job->spans[job->count];
    add_span(job, (struct span){.at = at, .base_at = base_at, .made = (uint32_t)length, .copied = 1});
  }
  if (last == NULL) span_evenly(job, fresh, job->file.size);
}

int main(int count, char **words) {
  const int by_chunks = count == 8 && strcmp(words[6], "--chunks") == 0;
  if (count != 6 && count != 7 && !by_chunks)
    fail("usage", "edgepack-parcel FILE MODE LEVEL THREADS PARCEL [BASE | --chunks LIST]   (MODE 644 or 755)");
  struct parcel about = {.mode = strcmp(words[2], "755") == 0 ? 0755 : 0644};
  struct job job = {.file = map(words[1]), .level = atoi(words[3])};
  int threads = atoi(words[4]);
  if (threads < 1) threads = 1;
  if (threads > THREADS_MOST) threads = THREADS_MOST;
  about.size = job.file.size;
  digest(words[1], about.sha256);
  if (count == 7) {
    job.base = map(words[6]);
    about.base_size = job.base.size;
    digest(words[6], about.base);
  }
  job.anchors = anchors_of(job.base.bytes, job.base.size);
  /* Each chunk may be a span of its own, and each of the even ones. */
  job.spans = reserve((job.file.size / CHUNK_LEAST + job.file.size / BLOCK_MOST + 2) * sizeof *job.spans);
  if (by_chunks) {
    const struct held held = held_of(words[7], about.base);
    about.base_size = held.size;
    span_by_chunks(&job, &held);
  } else {
    span_evenly(&job, 0, job.file.size);
  }
  job.packed = calloc(job.count ? job.count : 1, sizeof *job.packed);
  if (job.packed == NULL) fail("memory", "no memory for %llu blocks", (unsigned long long)job.count);
  pthread_mutex_init(&job.mutex, NULL);
  pthread_t workers[THREADS_MOST];
  int started = 0;
  while (started < threads - 1 && pthread_create(&workers[started], NULL, work, &job) == 0) ++started;
  work(&job);
  while (started > 0) pthread_join(workers[--started], NULL);
  write_parcel(&job, &about, words[5]);
  return 0;
}
