// The `tensors` sink: what the model gives, to a server that computes the rest of it. Open Inference Protocol (KServe
// v2) over HTTP, with the binary tensor data extension.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sink.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. model: the server's name for it. tensors: outputs of this program's model; none: all.
struct TensorsSinkSays {
  std::string host;
  int port;
  std::string model;
  std::vector<std::string> tensors;
  double timeout_s;
};

/// A picture at a time: the next one goes when the server has answered for the last one. Throws std::runtime_error
/// where the model has no such output.
std::unique_ptr<Sink> tensors_sink(const std::string& data, const TensorsSinkSays& says);

}  // namespace edgepack::program
