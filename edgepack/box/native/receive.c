/* Parcels from stdin into the store. A block is in its file, on the disk, before the next one is read: a link that is
 * cut loses one block, and whoever sends goes on from what `parts` says. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "verbs.h"
#include "io.h"
#include "parcel.h"
#include "zstd.h"

/* What one block needs, allocated once: a few MiB, whatever the files' sizes. */
struct bench {
  uint8_t *packed, *made, *window, *numbers;
  ZSTD_DCtx *zstd;
};

/* A file that is being made. */
struct part {
  struct parcel about;
  char name[65], path[4096];
  int file, base;
};

/* A part that filled the disk goes: what runs there needs the room, and so does the next try. */
static _Noreturn void unwritten(const struct part *part) {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT) unlink(part->path);
  errno = error;
  fail_at(part->path);
}

static void cut(void) { fail("cut-off", "the link ended before all was sent"); }

static void take(void *to, size_t bytes) {
  const ssize_t got = read_all(STDIN_FILENO, to, bytes);
  if (got < 0 || (size_t)got != bytes) cut();
}

static void look_at_base(const struct part *part, const struct block *block, uint8_t *window) {
  uint32_t got = 0;
  while (got < block->base_length) {
    const ssize_t count =
        pread(part->base, window + got, block->base_length - got, (off_t)(block->base_at + got));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("bad-base", "%s cannot be read where its base should be", part->name);
    got += (uint32_t)count;
  }
}

static void unpack(struct bench *bench, const struct part *part, const struct block *block, uint8_t *to) {
  const size_t made = ZSTD_decompressDCtx(bench->zstd, to, block->made, bench->packed, block->packed);
  if (ZSTD_isError(made) || made != block->made)
    fail("bad-parcel", "a block of %s is damaged: %s", part->name,
         ZSTD_isError(made) ? ZSTD_getErrorName(made) : "it makes another number of bytes");
}

static const uint8_t *make(struct bench *bench, const struct part *part, const struct block *block) {
  if (block->kind == BLOCK_RAW) return bench->packed;
  const int based = block->kind == BLOCK_COPY || block->kind == BLOCK_PATCH || block->kind == BLOCK_DELTA;
  if (based) {
    if (part->base < 0) fail("bad-parcel", "%s looks at a base and names none", part->name);
    look_at_base(part, block, bench->window);
  }
  switch (block->kind) {
    case BLOCK_COPY:
      return bench->window;
    case BLOCK_PATCH:
      ZSTD_DCtx_refPrefix(bench->zstd, bench->window, block->base_length);
      unpack(bench, part, block, bench->made);
      return bench->made;
    case BLOCK_DELTA:
    case BLOCK_PLANES:
      unpack(bench, part, block, bench->numbers);
      delta_undo(bench->numbers, based ? bench->window : NULL, block->made, block->width, block->phase, bench->made);
      return bench->made;
    default:
      unpack(bench, part, block, bench->made);
      return bench->made;
  }
}

static void path_of(char to[4096], const char *root, const char *folder, const char *name, const char *ending) {
  const int length = snprintf(to, 4096, "%s/%s/%s%s", root, folder, name, ending);
  if (length < 0 || length >= 4096) fail("usage", "the path of the store is too long");
}

/* The part as it was left, at the byte where the blocks begin. */
static void open_part(struct part *part, const char *root) {
  hex(part->about.sha256, part->name);
  path_of(part->path, root, "incoming", part->name, ".part");
  part->file = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  struct stat now;
  if (part->file < 0 || fstat(part->file, &now) != 0) fail_at(part->path);
  if (!S_ISREG(now.st_mode) || (uint64_t)now.st_size < part->about.from)
    fail("bad-parcel", "%s goes on from a byte that is not here", part->name);
  if (ftruncate(part->file, (off_t)part->about.from) != 0 ||
      lseek(part->file, (off_t)part->about.from, SEEK_SET) < 0)
    fail_at(part->path);
  part->base = -1;
  static const uint8_t none[DIGEST];
  if (memcmp(part->about.base, none, DIGEST) == 0) return;
  char name[65], path[4096];
  hex(part->about.base, name);
  path_of(path, root, "store", name, "");
  part->base = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (part->base < 0 || fstat(part->base, &now) != 0 || !S_ISREG(now.st_mode) ||
      (uint64_t)now.st_size != part->about.base_size)
    fail("bad-base", "the base of %s is not in the store: %s", part->name, name);
}

/* Into the store where its sha256 is right; away with it where it is not. */
static void finish(struct part *part, const char *root) {
  uint8_t digest[DIGEST];
  if (fchmod(part->file, part->about.mode) != 0 || fsync(part->file) != 0 || lseek(part->file, 0, SEEK_SET) != 0 ||
      sha256_of(part->file, digest) != 0)
    unwritten(part);
  close(part->file);
  if (part->base >= 0) close(part->base);
  if (memcmp(digest, part->about.sha256, DIGEST) != 0) {
    unlink(part->path);
    printf("bad %s\n", part->name);
    return;
  }
  char path[4096];
  path_of(path, root, "store", part->name, "");
  if (rename(part->path, path) != 0 || sync_folder(path) != 0) fail_at(path);
  printf("received %s\n", part->name);
}

static void one(struct bench *bench, struct part *part, const char *root) {
  open_part(part, root);
  for (uint64_t at = part->about.from; at < part->about.size;) {
    uint8_t head[BLOCK_HEAD];
    struct block block;
    take(head, sizeof head);
    const char *wrong = block_read(head, &part->about, at, &block);
    if (wrong != NULL) fail("bad-parcel", "%s: %s", part->name, wrong);
    take(bench->packed, block.packed);
    if (write_all(part->file, make(bench, part, &block), block.made) != 0 || fdatasync(part->file) != 0)
      unwritten(part);
    at += block.made;
    printf("part %s %llu\n", part->name, (unsigned long long)at);
    fflush(stdout);
  }
  finish(part, root);
  fflush(stdout);
}

/* Who comes holds the box's lock. One that is still here hangs on a link that fell silent, and would go on writing to
 * the same files when it comes back; while it has one of them open, no program of that name can even start. So it ends.
 * The file that says who is here is locked by the kernel: no number of a process that ended long ago is struck. */
static char path_here[4096];

static void leave(void) { unlink(path_here); }

static int alone(const char *root) {
  const char *path = path_here;
  path_of(path_here, root, "incoming", "", ".receiving");
  for (int tries = 0; tries < 500; tries++) {
    const int here = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (here < 0) fail_at(path);
    struct flock mine = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const int locked = fcntl(here, F_SETLK, &mine);
    if (locked != 0 && errno != EACCES && errno != EAGAIN) return here; /* a file system without locks */
    struct stat now;
    if (locked == 0 && fstat(here, &now) == 0 && now.st_nlink > 0) {
      atexit(leave);
      return here;
    }
    struct flock held = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (locked != 0 && fcntl(here, F_GETLK, &held) == 0 && held.l_type != F_UNLCK && held.l_pid > 0)
      kill(held.l_pid, SIGKILL);
    close(here);
    const struct timespec a_moment = {.tv_nsec = 20 * 1000 * 1000};
    nanosleep(&a_moment, NULL);
  }
  fail("write", "another one that receives on this box does not end: %s", path);
}

int receive(const char *root) {
  const int here = alone(root);
  struct bench bench = {reserve(BLOCK_MOST), reserve(BLOCK_MOST), reserve(WINDOW_MOST), reserve(BLOCK_MOST),
                        ZSTD_createDCtx()};
  if (bench.zstd == NULL) fail("memory", "the box has no memory left for zstd");
  struct part part;
  for (;;) {
    uint8_t head[PARCEL_HEAD];
    take(head, 4);
    if (get32(head) == PARCEL_END) break;
    if (get32(head) != PARCEL_MAGIC) fail("bad-parcel", "what came is not a parcel");
    take(head + 4, PARCEL_HEAD - 4);
    const char *wrong = parcel_read(head, &part.about);
    if (wrong != NULL) fail("bad-parcel", "%s", wrong);
    one(&bench, &part, root);
  }
  leave();
  close(here);
  ZSTD_freeDCtx(bench.zstd);
  free(bench.packed);
  free(bench.made);
  free(bench.window);
  free(bench.numbers);
  return 0;
}
