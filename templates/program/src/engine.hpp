// The app at work: source → decode → pre → model → post → sinks, a thread each, with a bounded queue before each.
// Pictures stay in their order. Which one stage is too slow, its queue shows: it is full, and those after it empty.
#pragma once

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "blocks/geometry.hpp"
#include "bounded_queue.hpp"
#include "edgepack/source.h"
#include "flow.hpp"
#include "model.hpp"
#include "placed.hpp"
#include "sink.hpp"
#include "stage.hpp"
#include "status.hpp"

namespace edgepack::program {

class Engine {
 public:
  Engine(Flow flow, Model& model, Source& source, std::vector<std::unique_ptr<Sink>> sinks, Status& status);

  /// Until `stopped` is not 0 and what is on its way has been answered.
  void work(const volatile std::sig_atomic_t& stopped);

 private:
  /// One picture on its way, and what the stages made of it so far.
  struct Item {
    Picture picture;
    Tensor tensor;  // the picture, then the model's input
    std::optional<blocks::Geometry> geometry;
    std::vector<Tensor> outputs;
    Answered answer;
  };
  using Queue = BoundedQueue<Item>;

  void fetch();
  void let_in(Item item);
  bool too_soon();
  /// Takes from `from`, lets `work` do its part, and gives to `to`; closes `to` when nothing comes any more.
  template <class Work>
  void stage(Stage& stage, Queue& from, Queue& to, Work work);
  void decode(Item& item);
  void answer();
  bool put(Item& item, Stage::Working& working);
  void watch();
  void settle(const Picture& picture, Fate fate, const std::string& said);
  void fail(const std::string& words, bool lasts = true);
  void pause(std::chrono::milliseconds time) const;

  const Flow flow_;
  Model& model_;
  Source& source_;
  const Placing* const placing_;  // the source, where it knows where things lie
  const std::vector<std::unique_ptr<Sink>> sinks_;
  Status& status_;
  const volatile std::sig_atomic_t* stopped_ = nullptr;
  bool pictures_wanted_ = false, computed_wanted_ = false;  // by a sink
  Stage source_stage_{"source"}, decode_stage_{"decode"}, pre_stage_{"pre"}, model_stage_{"model"}, post_stage_{"post"},
      sink_stage_{"sink"};
  Queue fetched_, decoded_{2}, prepared_{2}, computed_{2}, said_{2};
  Stage::Clock::time_point next_in_{};
  std::mutex mutex_;  // of `told_` and `over_`
  std::condition_variable ending_;
  std::string told_;
  bool over_ = false;
};

}  // namespace edgepack::program
