// What flows through the program: its source, its sinks, and how they are held together. flow.cpp is written from
// edgepack.yaml.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "edgepack/source.h"
#include "sink.hpp"
#include "status.hpp"

namespace edgepack::program {

/// How the stages work together.
struct Flow {
  int depth;         // of the queue behind the source; the others hold two
  bool drop_oldest;  // when that is full; else the source waits
  double fps;        // pictures a second, at most; 0: as many as there are
  double stuck_s;    // a stage that is at one picture for longer ends the program
};

extern const Flow flow;

/// data: the app's data folder. Throws ReadError.
std::unique_ptr<Source> open_source(const std::string& data);
std::vector<std::unique_ptr<Sink>> open_sinks(const std::string& data);

/// Where the app tells of itself besides status.json, until it is let go; nothing where edgepack.yaml has no
/// `metrics`. Throws std::runtime_error.
std::shared_ptr<void> open_metrics(Status& status);

}  // namespace edgepack::program
