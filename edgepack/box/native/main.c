/* edgepack's helper on a box: what a shell cannot do, or not well. box.sh calls it; people need not. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "verbs.h"
#include "io.h"

int main(int count, char **words) {
  const char *verb = count > 1 ? words[1] : "";
  /* Who sends may go away in the middle of an answer; what came whole is kept all the same. */
  signal(SIGPIPE, SIG_IGN);
  if (strcmp(verb, "receive") == 0 && count == 3) return receive(words[2]);
  if (strcmp(verb, "parts") == 0 && count == 3) return parts(words[2]);
  if (strcmp(verb, "chunks") == 0 && count == 3) return chunks_of(words[2]);
  if (strcmp(verb, "sha256") == 0 && count == 2) return sha256_files();
  if (strcmp(verb, "sync") == 0 && count > 2) return sync_files(count - 2, words + 2);
  if (strcmp(verb, "verify") == 0 && count == 4) return verify(words[2], words[3]);
  fail("usage", "edgepack-helper receive ROOT | parts ROOT | chunks FILE | sha256 | sync PATH... | verify KEYS SIGNATURE");
}
