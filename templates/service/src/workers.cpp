#include "workers.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "recent.hpp"
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
    ending_ = hurried_ = true;
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

void Workers::hurry() {
  const std::lock_guard<std::mutex> lock(mutex_);
  hurried_ = true;
  changed_.notify_all();
}

std::size_t Workers::waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return queue_.size() + ready_.size();
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
    const Clock::time_point at = due(job, request);
    return Parsed{std::move(job), std::move(request), samples, begun, at};
  } catch (const Refusal& error) {
    refuse(job, error);
  } catch (const std::exception& error) {
    refuse(job, Refusal(Why::failed, error.what()));
  }
  return std::nullopt;
}

/// Samples of a batch that is full. 1 for what has no batch axis.
std::size_t Workers::full(const Served& served) const {
  return served.most() > 0 ? static_cast<std::size_t>(service_config.most) : 1;
}

/// When a request is computed at the latest. It waits for others no longer than half of the time that it has.
Workers::Clock::time_point Workers::due(const Job& job, const InferRequest& request) const {
  if (job.served->most() == 0) return job.arrived;
  Clock::duration wait = std::min<Clock::duration>(service_config.wait, (job.deadline - job.arrived) / 2);
  if (request.timeout_us > 0) wait = std::min<Clock::duration>(wait, std::chrono::microseconds(request.timeout_us) / 2);
  return job.arrived + wait;
}

Workers::Clock::time_point Workers::next_due() const {
  Clock::time_point first = Clock::time_point::max();
  for (const Parsed& each : ready_) first = std::min(first, each.due);
  return first;
}

/// The first requests of a model that go into one batch, in their order.
Workers::Batch Workers::taken(const Served* served) {
  const auto of_it = [&](const Parsed& each) { return each.job.served == served; };
  const auto there = static_cast<std::size_t>(std::count_if(ready_.begin(), ready_.end(), of_it));
  // Nobody waits for a full batch where wait_ms is 0: what is there is shared with those that would do nothing else.
  const std::size_t others = service_config.wait.count() > 0 ? 1 : std::max<std::size_t>(free_, 1);
  const std::size_t share = (there + others - 1) / others;
  Batch batch;
  std::size_t samples = 0;
  for (auto at = ready_.begin(); at != ready_.end() && batch.size() < share;) {
    if (!of_it(*at)) {
      ++at;
      continue;
    }
    if (!batch.empty() && samples + at->samples > full(*served)) break;
    samples += at->samples;
    batch.push_back(std::move(*at));
    at = ready_.erase(at);
  }
  return batch;
}

/// Whose batch is to be computed now: the first of those that are full or have waited long enough. nullptr: nobody's.
/// whole: one of them is full.
const Served* Workers::next(Clock::time_point now, bool* whole) const {
  std::map<const Served*, std::size_t> samples;
  const Served* found = nullptr;
  for (const Parsed& each : ready_) {
    const Served* const served = each.job.served;
    samples[served] += each.samples;
    *whole = samples[served] >= full(*served);
    if (found == nullptr && (*whole || hurried_ || each.due <= now)) found = served;
    if (*whole) return found;
  }
  return found;
}

void Workers::work(std::unique_ptr<Model> model) {
  std::unique_lock<std::mutex> lock(mutex_);
  ++free_;
  for (;;) {
    bool whole = false;
    const Served* const served = next(Clock::now(), &whole);
    // Before a batch that is not full, who waits in the queue: they would else be computed alone.
    if (!whole && !queue_.empty() && ready_.size() < static_cast<std::size_t>(service_config.most)) {
      Job job = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      std::optional<Parsed> parsed = ready(std::move(job));
      lock.lock();
      if (parsed) ready_.push_back(std::move(*parsed));
    } else if (served != nullptr) {
      Batch batch = taken(served);
      --free_;
      ++under_way_;
      if (!queue_.empty() || !ready_.empty()) changed_.notify_one();  // somebody else's, with another time to wait for
      lock.unlock();
      compute(*model, std::move(batch));
      lock.lock();
      --under_way_;
      ++free_;
    } else if (ending_ && queue_.empty()) {
      return;  // what another instance takes apart at this moment is its own to compute
    } else if (ready_.empty()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next_due());
    }
  }
}

void Workers::compute(Model& model, Batch batch) {
  const auto late = [this, now = Clock::now()](const Parsed& each) {
    if (now <= each.job.deadline) return false;
    refuse(each.job, Refusal(Why::late, "the request waited longer than it may (service.timeout_ms)"));
    return true;
  };
  batch.erase(std::remove_if(batch.begin(), batch.end(), late), batch.end());
  if (batch.empty()) return;
  Served& served = *batch[0].job.served;
  std::vector<const InferRequest*> requests;
  std::size_t samples = 0;
  for (const Parsed& each : batch) {
    requests.push_back(&each.request);
    samples += each.samples;
  }
  static thread_local Recent& recent = recents.claim("instance");
  recent.begin();
  const auto began = Clock::now();
  try {
    Spent spent;
    const std::vector<InferResponse> responses = served.infer(model, requests, spent);
    recent.took(Clock::now() - began);
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
