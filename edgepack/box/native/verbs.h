/* The helper's verbs. Each returns the exit status, or fails. */
#ifndef EDGEPACK_VERBS_H
#define EDGEPACK_VERBS_H

/* Parcels on stdin into ROOT/store; on stdout `part HEX BYTES`, and `received HEX` or `bad HEX`. */
int receive(const char *root);

/* `part HEX BYTES` for each file of ROOT/incoming that is there in part. */
int parts(const char *root);

/* `HEX NAME` for each file named on stdin, one a line; of what cannot be read, nothing. */
int sha256_files(void);

/* `chunk BYTES NAME` for each chunk of a file, in its order: see chunks.h. */
int chunks_of(const char *path);

/* Files and folders, and the folders that they are in, on the disk. */
int sync_files(int count, char **paths);

/* Whether one of the keys in KEYS (64 hex digits a line) signed the bytes on stdin; SIGNATURE in hex. */
int verify(const char *keys, const char *signature);

#endif
