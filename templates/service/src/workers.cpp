#include "workers.hpp"

#include <utility>

#include "service_config.hpp"

namespace edgepack::program {

Workers::Workers(const std::string& model_folder, Ear ear) : ear_(std::move(ear)) {
  std::vector<std::unique_ptr<Model>> models;
  for (int i = 0; i < service_config.instances; ++i) models.push_back(load_model(model_folder, config));
  Tensor empty{config.input.shape, {}};
  std::size_t elements = 1;
  for (const int axis : empty.shape) elements *= static_cast<std::size_t>(axis);
  empty.data.resize(elements);
  for (std::unique_ptr<Model>& model : models) {
    model->infer(empty);  // the first pays for memory and caches, and no request should
    const auto began = Clock::now();
    model->infer(empty);
    expected_ = Clock::now() - began;
    threads_.emplace_back([this, own = std::move(model)]() mutable { work(std::move(own)); });
  }
}

Workers::~Workers() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::take(Job job) {
  job.arrived = Clock::now();
  const auto last = job.arrived + service_config.timeout;
  if (job.deadline == Clock::time_point{} || job.deadline > last) job.deadline = last;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!ending_ && queue_.size() < static_cast<std::size_t>(service_config.queue)) {
      queue_.push_back(std::move(job));
      changed_.notify_one();
      return;
    }
  }
  refuse(job, Refusal(Why::busy, "the queue is full (" + std::to_string(service_config.queue) +
                                     " requests wait): try again later"));
}

std::size_t Workers::waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return queue_.size();
}

/// The next request, once there is one before `until`.
std::optional<Job> Workers::next(Clock::time_point until) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto there = [this] { return ending_ || !queue_.empty(); };
  if (until == Clock::time_point::max()) {
    changed_.wait(lock, there);
  } else {
    changed_.wait_until(lock, until, there);
  }
  if (queue_.empty()) return std::nullopt;
  Job job = std::move(queue_.front());
  queue_.pop_front();
  return job;
}

void Workers::refuse(const Job& job, const Refusal& why) {
  const auto now = Clock::now();
  job.served->answered(false, now - job.arrived, now - job.arrived);
  job.refused(why);
}

/// A request that can be computed; what cannot is answered here.
std::optional<Workers::Parsed> Workers::ready(Job job) {
  const auto begun = Clock::now();
  try {
    if (begun > job.deadline) throw Refusal(Why::late, "the request waited longer than it may (service.timeout_ms)");
    InferRequest request = job.parse();
    // The protocol's own time-out, in the request: only the time before the computing counts.
    if (request.timeout_us > 0 && begun - job.arrived > std::chrono::microseconds(request.timeout_us)) {
      throw Refusal(Why::late, "the request waited longer than its timeout");
    }
    const std::size_t samples = job.served->samples(request);
    return Parsed{std::move(job), std::move(request), samples, begun};
  } catch (const Refusal& error) {
    refuse(job, error);
  } catch (const std::exception& error) {
    refuse(job, Refusal(Why::failed, error.what()));
  }
  return std::nullopt;
}

void Workers::work(std::unique_ptr<Model> model) {
  const auto most = static_cast<std::size_t>(service_config.most);
  std::optional<Parsed> kept;  // did not fit into the batch before
  for (;;) {
    std::optional<Parsed> first = std::exchange(kept, std::nullopt);
    if (!first) {
      std::optional<Job> job = next(Clock::time_point::max());
      if (!job) return;  // told to end, and nothing waits
      first = ready(std::move(*job));
      if (!first) continue;
    }
    ++under_way_;
    std::size_t samples = first->samples;
    std::vector<Parsed> batch;
    batch.push_back(std::move(*first));
    Served* const served = batch[0].job.served;
    const auto until = Clock::now() + service_config.wait;
    while (served->most() > 0 && samples < most && !kept) {
      std::optional<Job> job = next(until);
      if (!job) break;
      std::optional<Parsed> more = ready(std::move(*job));
      if (!more) continue;
      if (more->job.served != served || samples + more->samples > most) {
        kept = std::move(more);
      } else {
        samples += more->samples;
        batch.push_back(std::move(*more));
      }
    }
    compute(*model, std::move(batch));
    --under_way_;
  }
}

void Workers::compute(Model& model, std::vector<Parsed> batch) {
  Served& served = *batch[0].job.served;
  std::vector<const InferRequest*> requests;
  std::size_t samples = 0;
  for (const Parsed& each : batch) {
    requests.push_back(&each.request);
    samples += each.samples;
  }
  const auto began = Clock::now();
  try {
    Spent spent;
    const std::vector<InferResponse> responses = served.infer(model, requests, spent);
    served.executed(samples, batch.size(), spent);
    if (ear_.answered) ear_.answered(Clock::now() - began);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Job& job = batch[i].job;
      served.answered(true, Clock::now() - job.arrived, batch[i].begun - job.arrived);
      job.done(responses.at(i));
    }
  } catch (const Refusal& error) {
    if (ear_.failed) ear_.failed(error.what());
    for (const Parsed& each : batch) refuse(each.job, error);
  } catch (const std::exception& error) {
    if (ear_.failed) ear_.failed(error.what());
    for (const Parsed& each : batch) refuse(each.job, Refusal(Why::failed, error.what()));
  }
}

}  // namespace edgepack::program
