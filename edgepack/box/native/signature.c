/* Ed25519 over what comes on stdin, which is short: a release's digest and what it is a digest of. */
#include <sodium/crypto_sign_ed25519.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "verbs.h"
#include "io.h"
#include "parcel.h"

enum { MESSAGE_MOST = 64 << 10, SIGNATURE = crypto_sign_ed25519_BYTES };

int verify(const char *keys, const char *signature) {
  static uint8_t message[MESSAGE_MOST + 1];
  uint8_t halves[SIGNATURE];
  char half[65];
  for (int i = 0; i < 2; ++i) {
    if (strlen(signature) != 4 * DIGEST) fail("usage", "a signature has 128 hex digits");
    memcpy(half, signature + 64 * i, 64);
    half[64] = '\0';
    if (!unhex(half, halves + DIGEST * i)) fail("usage", "a signature has 128 hex digits");
  }
  const ssize_t length = read_all(STDIN_FILENO, message, sizeof message);
  if (length < 0 || length > MESSAGE_MOST) fail("usage", "what is signed is too long");
  FILE *known = fopen(keys, "re");
  if (known == NULL) fail("not-enrolled", "this box has no keys to check a signature with");
  char line[256];
  while (fgets(line, sizeof line, known) != NULL) {
    uint8_t key[DIGEST];
    line[strcspn(line, " \t\r\n")] = '\0';
    if (!unhex(line, key)) continue;
    if (crypto_sign_ed25519_verify_detached(halves, message, (unsigned long long)length, key) == 0) {
      fclose(known);
      printf("signed-by %s\n", line);
      return 0;
    }
  }
  fclose(known);
  fail("bad-signature", "none of the keys that this box was enrolled with signed it");
}
