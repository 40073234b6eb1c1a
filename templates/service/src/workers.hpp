// Instances of the model, each a thread, behind one bounded queue; several small requests in one go.
//
// A request goes two ways: an instance that is free takes it out of the queue and takes it apart (`parse`), which says how
// many samples it has; then it is ready, and waits with the others for the batch that it is computed in. A batch is due when
// it is full, or when its first request has waited `service.batching.wait_ms` since it came. Any free instance computes it:
// those that are free make one batch together, and not one each.
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

  /// From now on nobody waits for others.
  void hurry();

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
    Clock::time_point due;    // when it is computed, with others or alone
  };
  using Batch = std::vector<Parsed>;

  void work(std::unique_ptr<Model> model);
  std::optional<Parsed> ready(Job job);
  Clock::time_point due(const Job& job, const InferRequest& request) const;
  std::size_t full(const Served& served) const;
  const Served* next(Clock::time_point now, bool* whole) const;
  Batch taken(const Served* served);
  Clock::time_point next_due() const;
  void refuse(const Job& job, const Refusal& why);
  void compute(Model& model, Batch batch);

  Ear ear_;
  Clock::duration expected_{};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> queue_;      // as they came
  std::deque<Parsed> ready_;   // taken apart, in that order
  std::size_t free_ = 0;       // instances that compute nothing
  bool hurried_ = false, ending_ = false;
  std::atomic<std::size_t> under_way_{0};
  std::vector<std::thread> threads_;
};

}  // namespace edgepack::program
