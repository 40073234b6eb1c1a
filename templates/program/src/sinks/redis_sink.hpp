// The `redis` sink: RPUSH, XADD or PUBLISH.
#pragma once

#include <memory>
#include <string>

#include "sinks/spooled_sink.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. command: in lower case. most: entries that a list or a stream keeps; 0: all of them.
/// password_file: a whole path, one below the data folder, or empty.
struct RedisSinkSays {
  std::string host;
  int port;
  std::string command, key;
  int most, database;
  std::string user, password_file;
  double timeout_s;
  SpoolSays spool;
};

std::unique_ptr<Sink> redis_sink(const std::string& data, const RedisSinkSays& says);

}  // namespace edgepack::program
