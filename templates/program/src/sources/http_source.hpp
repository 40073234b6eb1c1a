// The `http` source: images that others POST, and the answer back to each.
#pragma once

#include <memory>
#include <string>

#include "edgepack/source.h"

namespace edgepack::program {

/// Of edgepack.yaml.
struct HttpSourceSays {
  std::string address;
  int port;
  int most_bytes;  // of one body; four times as much of all together
  int waiting;     // images that are not taken in yet
};

/// Listens from now on. Throws std::runtime_error where it cannot.
std::unique_ptr<Source> http_source(const std::string& data, const HttpSourceSays& says);

}  // namespace edgepack::program
