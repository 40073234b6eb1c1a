// The `mqtt` sink: each answer a message, MQTT 3.1.1.
#pragma once

#include <memory>
#include <string>

#include "sinks/spooled_sink.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. `{host}` in topic and client is the box's own name. client: empty, a random one. password_file:
/// a whole path, one below the data folder, or empty.
struct MqttSinkSays {
  std::string host;
  int port;
  std::string topic;
  int qos;  // 0 or 1
  bool retain;
  std::string client, user, password_file;
  int keepalive_s;
  double timeout_s;
  SpoolSays spool;
};

std::unique_ptr<Sink> mqtt_sink(const std::string& data, const MqttSinkSays& says);

}  // namespace edgepack::program
