/* Files and pipes to their end, and the one way to fail. */
#ifndef EDGEPACK_IO_H
#define EDGEPACK_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* `edgepack-error KIND sentence` on stderr, as the script says it, and exit 20. */
_Noreturn void fail(const char *kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for what errno says of a file: disk-full, permission or write. */
_Noreturn void fail_at(const char *path);

/* Bytes read, fewer only at the end. -1 with errno. */
ssize_t read_all(int fd, void *to, size_t bytes);

/* 0, or -1 with errno. */
int write_all(int fd, const void *from, size_t bytes);

/* A file's folder on the disk: a rename is not there after a power cut until then. 0, or -1 with errno. */
int sync_folder(const char *path);

/* Memory or the end. */
void *reserve(size_t bytes);

/* DIGEST bytes as 64 hex digits and a zero; and back, 0 where it is not such a word. */
void hex(const uint8_t *digest, char to[65]);
int unhex(const char *word, uint8_t *digest);

/* The sha256 of what is left to read of a file. 0, or -1 with errno. */
int sha256_of(int fd, uint8_t *digest);

#endif
