/* MODEL HEIGHT WIDTH: grey pictures on stdin, the model's first output on stdout as floats. */
#include <digits.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef BESIDE
int throws_and_catches(void); /* by a C++ library that is not the SDK's */
#endif

int main(int argc, char** argv) {
  digits_model* model = NULL;
  if (argc != 4) return 2;
#ifdef BESIDE
  if (!throws_and_catches()) return 3;
#endif
  /* A folder that is not there: what the library throws inside of it stays there. */
  if (digits_open("nowhere", &model) != DIGITS_MODEL || digits_open(argv[1], &model) != DIGITS_OK) return 4;
  const int height = atoi(argv[2]), width = atoi(argv[3]);
  const size_t size = (size_t)height * (size_t)width;
  unsigned char* pixels = malloc(size);
  while (fread(pixels, 1, size, stdin) == size) {
    digits_answer* answer = NULL;
    const int* axes = NULL;
    const float* values = NULL;
    size_t axis_count = 0, count = 0;
    if (digits_infer(model, pixels, height, width, 1, 0, &answer) != DIGITS_OK) return 5;
    if (digits_answer_output(answer, 0, &axes, &axis_count, &values, &count) != DIGITS_OK) return 6;
    fwrite(values, sizeof *values, count, stdout);
    digits_answer_free(answer);
  }
  free(pixels);
  digits_close(model);
  return 0;
}
