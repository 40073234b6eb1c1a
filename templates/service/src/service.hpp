// What both ways to the service, HTTP and gRPC, share.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "http_server.hpp"
#include "served.hpp"
#include "workers.hpp"

namespace edgepack::program {

class Service {
 public:
  /// Throws ModelError.
  Service(const std::string& model_folder, Workers::Ear ear)
      : served_(everything_served()), workers_(model_folder, std::move(ear)) {}

  /// From now on it is not ready, and says so; what comes all the same is still answered.
  void drain() {
    ready_ = false;
    workers_.hurry();
  }
  bool ready() const { return ready_; }

  /// The model of that name; version: empty, or the project's. Throws Refusal.
  Served& find(const std::string& name, const std::string& version) const;
  std::vector<const Served*> all() const;
  Workers& workers() { return workers_; }

 private:
  std::vector<std::unique_ptr<Served>> served_;
  std::atomic<bool> ready_{true};
  Workers workers_;
};

/// Answers the protocol's questions over HTTP.
HttpHandler v2_over_http(Service& service);

/// The extensions of the protocol that are there.
const std::vector<std::string>& extensions();

}  // namespace edgepack::program
