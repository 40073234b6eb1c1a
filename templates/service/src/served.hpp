// What the service serves: the model itself (NAME: tensors in, tensors out), and the whole pipeline
// (NAME-pipeline: a picture in, the record out).
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "model.hpp"
#include "v2.hpp"

namespace edgepack::program {

/// How often, and for how long in all.
struct Duration {
  std::uint64_t count = 0, ns = 0;
  void add(std::chrono::nanoseconds time, std::uint64_t times = 1) {
    count += times;
    ns += static_cast<std::uint64_t>(time.count()) * times;
  }
};

/// What one model has done; the names are the protocol's.
struct Statistics {
  enum Part { success, fail, queue, compute_input, compute_infer, compute_output, parts };
  static constexpr std::array<const char*, parts> names{"success", "fail", "queue", "compute_input", "compute_infer",
                                                        "compute_output"};
  struct Batch {
    Duration input, infer, output;
  };
  std::uint64_t last = 0, inferences = 0, executions = 0;  // last: milliseconds since 1970
  std::array<Duration, parts> times{};
  std::map<std::uint64_t, Batch> batches;  // by samples
};

/// How long the parts of one execution took.
struct Spent {
  std::chrono::nanoseconds input{}, infer{}, output{};
};

class Served {
 public:
  virtual ~Served() = default;

  const std::string& name() const { return name_; }
  const std::vector<TensorMeta>& inputs() const { return inputs_; }
  const std::vector<TensorMeta>& outputs() const { return outputs_; }
  /// Samples that one request may have; 0: it has no batch axis.
  std::size_t most() const { return most_; }
  bool optional_inputs() const { return optional_inputs_; }

  /// The samples of a request. Throws Refusal where it does not fit the model.
  virtual std::size_t samples(const InferRequest& request) const = 0;

  /// Several requests that fit, at once. Throws Refusal for all of them.
  virtual std::vector<InferResponse> infer(Model& model, const std::vector<const InferRequest*>& requests,
                                           Spent& spent) = 0;

  void executed(std::size_t samples, std::size_t requests, const Spent& spent);
  void answered(bool well, std::chrono::nanoseconds whole, std::chrono::nanoseconds queued);
  Statistics statistics() const;

 protected:
  std::string name_;
  std::vector<TensorMeta> inputs_, outputs_;
  std::size_t most_ = 0;
  bool optional_inputs_ = false;

  /// The outputs that a request wants, by their place. Throws Refusal for one that is not there.
  std::vector<std::pair<std::size_t, bool>> wanted(const InferRequest& request, std::size_t unless) const;

 private:
  mutable std::mutex mutex_;
  Statistics statistics_;
};

/// Both of them, the pipeline second.
std::vector<std::unique_ptr<Served>> everything_served();

extern const char* const record_output;  // the pipeline's record, as JSON
extern const char* const raw_prefix;     // before the name of an output of the model, as the pipeline gives it

}  // namespace edgepack::program
