// One function a subcommand; each returns the program's exit code.
#pragma once

#include <string>
#include <vector>

namespace edgepack::program {

/// Exit codes, the same as edgepack's own.
struct Exit {
  static constexpr int ok = 0;
  static constexpr int failed = 1;  // an image that could not be read or answered
  static constexpr int usage = 2;
  static constexpr int model = 4;   // the model or the golden vectors cannot be read
  static constexpr int parity = 8;  // the outputs are not those of the trained model
  static constexpr int locked = 13;  // another one runs on the same data folder
  static constexpr int stuck = 14;   // a stage of `run` came to a halt
  static constexpr int licence = 15;  // no licence that holds, and edgepack.yaml requires one
  static constexpr int key = 16;  // no key that opens the encrypted model, or that is not as it was written
};

int about();

/// A crash is told of on stderr, from now on (crash.hpp).
void watch_for_crashes();

/// Golden vectors through pre → model → post; prints one JSON object.
int verify(const std::string& release, const std::string& golden);

/// One JSON line a file.
int infer(const std::string& release, const std::vector<std::string>& files, bool with_outputs);

/// The app: until SIGTERM or SIGINT.
int run(const std::string& release, const std::string& data);

/// Whether a program that was started as `run --data DIR` is alive: where no shell is, as in a container.
int health(const std::string& data, bool with_metrics);

/// One whole line on stdout at once; false where it cannot be written.
bool say(const std::string& line);

/// One line on stderr.
void complain(const std::string& line);

}  // namespace edgepack::program
