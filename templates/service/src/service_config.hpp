// What edgepack.yaml says under `service`. The values are in service_config.cpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace edgepack::program {

struct ServiceConfig {
  std::string address;  // of this machine, in numbers
  int http, grpc;       // ports; 0: any that is free; grpc -1: none
  int instances;        // threads, each with a model
  int most;             // samples that an instance takes at once, and that one request may have
  std::chrono::milliseconds wait;     // that it waits for more of them
  int queue;                          // requests that may wait; one more is refused
  std::chrono::milliseconds timeout;  // that a request may wait
  std::size_t request;                // bytes that one may have
};

extern const ServiceConfig service_config;

}  // namespace edgepack::program
