#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium/crypto_hash_sha256.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parcel.h"

_Noreturn void fail(const char *kind, const char *format, ...) {
  va_list words;
  fprintf(stderr, "edgepack-error %s ", kind);
  va_start(words, format);
  vfprintf(stderr, format, words);
  va_end(words);
  fputc('\n', stderr);
  exit(20);
}

_Noreturn void fail_at(const char *path) {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT) fail("disk-full", "no space left for %s", path);
  if (error == EACCES || error == EPERM || error == EROFS) fail("permission", "no permission to write %s", path);
  fail("write", "%s: %s", path, strerror(error));
}

ssize_t read_all(int fd, void *to, size_t bytes) {
  size_t got = 0;
  while (got < bytes) {
    const ssize_t count = read(fd, (char *)to + got, bytes - got);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    got += (size_t)count;
  }
  return (ssize_t)got;
}

int write_all(int fd, const void *from, size_t bytes) {
  const char *at = from;
  while (bytes > 0) {
    const ssize_t count = write(fd, at, bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    at += count;
    bytes -= (size_t)count;
  }
  return 0;
}

int sync_folder(const char *path) {
  char folder[4096];
  const char *slash = strrchr(path, '/');
  if (slash == NULL) {
    strcpy(folder, ".");
  } else if ((size_t)(slash - path) + 1 > sizeof folder) {
    errno = ENAMETOOLONG;
    return -1;
  } else {
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash == path ? 1 : slash - path] = '\0';
    folder[0] = path[0];
  }
  const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  /* Some file systems cannot sync a folder, and say so. */
  const int done = fsync(fd) == 0 || errno == EINVAL ? 0 : -1;
  const int error = errno;
  close(fd);
  errno = error;
  return done;
}

void *reserve(size_t bytes) {
  void *memory = malloc(bytes);
  if (memory == NULL) fail("memory", "the box has no %zu KiB of memory left", bytes >> 10);
  return memory;
}

void hex(const uint8_t *digest, char to[65]) {
  for (int i = 0; i < DIGEST; ++i) {
    to[2 * i] = "0123456789abcdef"[digest[i] >> 4];
    to[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
  }
  to[64] = '\0';
}

int unhex(const char *word, uint8_t *digest) {
  if (strlen(word) != 2 * DIGEST || strspn(word, "0123456789abcdef") != 2 * DIGEST) return 0;
  for (int i = 0; i < DIGEST; ++i) {
    unsigned value = 0;
    for (int j = 0; j < 2; ++j) {
      const char digit = word[2 * i + j];
      value = value << 4 | (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    digest[i] = (uint8_t)value;
  }
  return 1;
}

int sha256_of(int fd, uint8_t *digest) {
  static uint8_t buffer[64 << 10];
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (;;) {
    const ssize_t got = read_all(fd, buffer, sizeof buffer);
    if (got < 0) return -1;
    if (got == 0) break;
    crypto_hash_sha256_update(&state, buffer, (unsigned long long)got);
  }
  crypto_hash_sha256_final(&state, digest);
  return 0;
}
