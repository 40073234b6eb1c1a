// What the app does, for Prometheus, and whether it does it, for whoever watches over it.
#pragma once

#include <string>
#include <thread>

#include "event_loop.hpp"
#include "status.hpp"

namespace edgepack::program {

/// GET /metrics, in Prometheus' text format; GET /healthz: 200, or 503 with the trouble that lasts.
class Metrics {
 public:
  /// status: outlives it. Throws std::runtime_error where it cannot listen there.
  Metrics(Status& status, const std::string& address, int port);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

 private:
  Loop loop_{32};
  std::thread thread_;
};

/// What `/healthz` at this address says of the program there: empty for 200, else why not.
std::string trouble_told_at(const std::string& address, int port);

}  // namespace edgepack::program
