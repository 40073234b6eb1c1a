// Instances of the model, each a thread, behind one bounded queue; several small requests in one go.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "served.hpp"
#include "v2.hpp"

namespace edgepack::program {

/// A request on its way. `parse` and `done` run on an instance's thread, so that neither a large body's
/// JSON nor its answer's holds up whoever listens to the network.
struct Job {
  Served* served = nullptr;
  std::function<InferRequest()> parse;                    // throws Refusal
  std::function<void(const InferResponse&)> done;
  std::function<void(const Refusal&)> refused;
  std::chrono::steady_clock::time_point arrived{}, deadline{};
};

class Workers {
 public:
  using Clock = std::chrono::steady_clock;

  /// Told of each execution: how long it took, or what went wrong.
  struct Ear {
    std::function<void(Clock::duration)> answered;
    std::function<void(const std::string&)> failed;
  };

  /// Loads the instances' models, each in its thread. Throws ModelError where one cannot be loaded.
  Workers(const std::string& model_folder, Ear ear);
  /// Answers what waits, and ends.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Puts it into the queue, or refuses it at once where that is full.
  void take(Job job);

  /// How long one sample takes an instance, before any request has come.
  Clock::duration expected() const { return expected_; }

  std::size_t waiting() const;
  std::size_t under_way() const { return under_way_; }

 private:
  struct Parsed {
    Job job;
    InferRequest request;
    std::size_t samples;
    Clock::time_point begun;  // when it left the queue
  };

  void work(std::unique_ptr<Model> model);
  std::optional<Job> next(Clock::time_point until);
  std::optional<Parsed> ready(Job job);
  void refuse(const Job& job, const Refusal& why);
  void compute(Model& model, std::vector<Parsed> batch);

  Ear ear_;
  Clock::duration expected_{};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> queue_;
  bool ending_ = false;
  std::atomic<std::size_t> under_way_{0};
  std::vector<std::thread> threads_;
};

}  // namespace edgepack::program
