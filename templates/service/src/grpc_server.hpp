// gRPC over HTTP/2 without TLS ("h2c"): nghttp2 does the frames, this the calls.
#pragma once

#include <string>

#include "event_loop.hpp"
#include "http_server.hpp"
#include "service.hpp"

namespace edgepack::program {

/// Serves inference.GRPCInferenceService there once the loop runs; returns the port. Throws std::runtime_error.
int serve_grpc(Loop& loop, const std::string& address, int port, HttpLimits limits, Service& service);

}  // namespace edgepack::program
