// The `tensors` source: what another node computed, as this program's model takes it. Open Inference Protocol (KServe
// v2) over HTTP, with the binary tensor data extension.
#pragma once

#include <memory>
#include <string>

#include "edgepack/source.h"

namespace edgepack::program {

/// Of edgepack.yaml.
struct TensorsSourceSays {
  std::string address;
  int port;
  int waiting;  // requests that are not taken in yet
};

/// Listens from now on, as the model that has the program's name. Throws std::runtime_error where it cannot.
std::unique_ptr<Source> tensors_source(const std::string& data, const TensorsSourceSays& says);

}  // namespace edgepack::program
