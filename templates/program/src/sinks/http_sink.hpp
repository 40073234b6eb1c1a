// The `http` sink: lines of JSON, POSTed.
#pragma once

#include <memory>
#include <string>

#include "sinks/spooled_sink.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. token_file: a whole path, one below the data folder, or empty.
struct HttpSinkSays {
  std::string host;
  int port;
  std::string target, token_file;
  int most_lines;
  double timeout_s;
  SpoolSays spool;
};

std::unique_ptr<Sink> http_sink(const std::string& data, const HttpSinkSays& says);

}  // namespace edgepack::program
