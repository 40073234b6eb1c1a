#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verbs.h"
#include "chunks.h"
#include "io.h"
#include "parcel.h"

int parts(const char *root) {
  char folder[4096];
  if (snprintf(folder, sizeof folder, "%s/incoming", root) >= (int)sizeof folder) fail("usage", "%s is too long", root);
  DIR *listing = opendir(folder);
  if (listing == NULL) {
    if (errno == ENOENT) return 0;
    fail_at(folder);
  }
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    char name[65];
    uint8_t digest[DIGEST];
    struct stat about;
    if (strlen(entry->d_name) != 64 + strlen(".part") || strcmp(entry->d_name + 64, ".part") != 0) continue;
    memcpy(name, entry->d_name, 64);
    name[64] = '\0';
    if (!unhex(name, digest)) continue;
    if (fstatat(dirfd(listing), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode))
      printf("part %s %lld\n", name, (long long)about.st_size);
  }
  closedir(listing);
  return 0;
}

int sha256_files(void) {
  char line[4096];
  while (fgets(line, sizeof line, stdin) != NULL) {
    const size_t length = strcspn(line, "\n");
    if (line[length] == '\0' && !feof(stdin)) fail("usage", "a file's name is too long");
    line[length] = '\0';
    const int fd = open(line, O_RDONLY | O_CLOEXEC);
    uint8_t digest[DIGEST];
    char word[65];
    if (fd < 0) continue;
    if (sha256_of(fd, digest) == 0) {
      hex(digest, word);
      printf("%s %s\n", word, line);
    }
    close(fd);
  }
  return 0;
}

int chunks_of(const char *path) {
  static uint8_t buffer[4 * CHUNK_MOST];
  size_t there = 0;
  int more = 1;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("read", "%s: %s", path, strerror(errno));
  while (more || there > 0) {
    if (more && there < CHUNK_MOST) {
      const ssize_t got = read_all(fd, buffer + there, sizeof buffer - there);
      if (got < 0) fail("read", "%s: %s", path, strerror(errno));
      more = (size_t)got == sizeof buffer - there;
      there += (size_t)got;
    }
    size_t at = 0;
    while (there - at >= CHUNK_MOST || (!more && there > at)) {
      const size_t length = chunk_length(buffer + at, there - at);
      uint8_t digest[DIGEST] = {0};
      char word[65];
      chunk_name(buffer + at, length, digest);
      hex(digest, word);
      printf("chunk %zu %.*s\n", length, 2 * CHUNK_NAME, word);
      at += length;
    }
    memmove(buffer, buffer + at, there - at);
    there -= at;
  }
  close(fd);
  return fflush(stdout) == 0 ? 0 : 20;
}

int sync_files(int count, char **paths) {
  for (int i = 0; i < count; ++i) {
    const int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL) || sync_folder(paths[i]) != 0) fail_at(paths[i]);
    close(fd);
  }
  return 0;
}
