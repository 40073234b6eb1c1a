// The service with its two doors, in threads of its own; and how one of them is asked from inside.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "service.hpp"

namespace edgepack::program {

struct Ports {
  int http, grpc;  // 0: any that is free; grpc -1: none
};

struct Asked {
  int status = 0;  // 0: there was no answer
  std::string body;
  std::size_t head = 0;  // bytes of JSON in it
};

/// Where the service is reached from this machine: also where it listens to all of its addresses.
std::string own_address();

/// One HTTP request to this machine, for the service's own questions to itself. Waits ten seconds at most.
Asked ask(const std::string& address, int port, const std::string& method, const std::string& path,
          const std::vector<std::pair<std::string, std::string>>& headers = {}, const std::string& body = "");

class Front {
 public:
  /// Loads the models, listens, and serves. Throws ModelError, std::runtime_error.
  Front(const std::string& model_folder, Ports ports, Workers::Ear ear);
  ~Front() { end(); }
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  /// No new requests; returns when all are answered, or eight seconds later.
  void end();

  /// Whether /v2/health/ready says so, over the network.
  bool ready() const;
  Service& service() { return *service_; }
  int http() const { return http_; }
  /// Where it listens.
  std::string words() const;

 private:
  Loop loop_;
  std::unique_ptr<Service> service_;
  int http_ = 0, grpc_ = -1;
  std::thread thread_;
};

}  // namespace edgepack::program
