#include "metrics.hpp"

#include "http_server.hpp"

namespace edgepack::program {

namespace {

HttpResponse told(Status& status, const HttpRequest& request) {
  const std::string plain = "text/plain; charset=utf-8";
  if (request.path != "/metrics" && request.path != "/healthz") {
    return {404, plain, "there are /metrics and /healthz\n"};
  }
  if (request.method != "GET") return {405, plain, "only GET\n", {{"allow", "GET"}}};
  // https://prometheus.io/docs/instrumenting/exposition_formats/
  if (request.path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", status.prometheus()};
  const std::string trouble = status.trouble();
  return {trouble.empty() ? 200 : 503, plain, (trouble.empty() ? "ok" : trouble) + "\n"};
}

}  // namespace

Metrics::Metrics(Status& status, const std::string& address, int port) {
  loop_.grace(std::chrono::milliseconds(1000));
  serve_http(loop_, address, port, {},
             [&status](const HttpRequest& request, const HttpReply& reply) { reply.send(told(status, request)); });
  thread_ = std::thread([this] { loop_.run(); });
}

Metrics::~Metrics() {
  loop_.stop();
  thread_.join();
}

}  // namespace edgepack::program
