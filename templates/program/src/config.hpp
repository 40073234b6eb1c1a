// What this program was generated for. The values are in config.cpp, which alone changes with them.
#pragma once

#include <string>
#include <vector>

namespace edgepack::program {

/// One tensor of the model: its name in the runtime's file, its name in the ONNX file, and its shape
/// without the batch axis.
struct TensorInfo {
  std::string blob;
  std::string tensor;
  std::vector<int> shape;
  bool channels_last = false;  // in the runtime's memory: {height, width, channels} where `shape` has them first
};

struct Config {
  std::string name, version, target, arch, runtime;
  bool half_precision;  // fp16 arithmetic where the processor has it
  int threads;          // 0: as many as the processor has fast cores
  TensorInfo input;
  std::vector<TensorInfo> outputs;
  double cosine, max_abs;  // the gates of `verify`: outputs
  double records, near;    // and of what `post` makes: the part that agrees, and how far a number may be off
};

extern const Config config;

/// What `/healthz` says of the program that runs on this box: empty where all is well.
std::string ask_metrics();

}  // namespace edgepack::program
