#include "engine.hpp"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "commands.hpp"
#include "file.hpp"
#include "pipeline.hpp"

namespace edgepack::program {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds glance{100};     // how long a thread waits before it looks whether to stop
constexpr std::chrono::milliseconds patience{1000};  // before what went wrong is tried again

/// What the user's own code may throw, which is anything, in words.
std::string thrown() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "threw something that is not a std::exception";
  }
}

Stage::Clock::duration duration(double seconds) {
  return std::chrono::duration_cast<Stage::Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

Engine::Engine(Flow flow, Model& model, Source& source, std::vector<std::unique_ptr<Sink>> sinks, Status& status)
    : flow_(flow),
      model_(model),
      source_(source),
      placing_(dynamic_cast<const Placing*>(&source)),
      sinks_(std::move(sinks)),
      status_(status),
      fetched_(static_cast<std::size_t>(flow.depth)) {
  std::vector<Status::Sending> sending;
  for (const auto& sink : sinks_) {
    pictures_wanted_ = pictures_wanted_ || sink->wants_picture();
    computed_wanted_ = computed_wanted_ || sink->wants_computed();
    if (sink->state()) sending.push_back({sink->about(), [of = sink.get()] { return *of->state(); }});
  }
  status_.watch_sinks(std::move(sending));
  const auto waiting = [](const Queue& queue) { return [&queue] { return queue.size(); }; };
  status_.watch({{&decode_stage_, waiting(fetched_), fetched_.depth()},
                 {&pre_stage_, waiting(decoded_), decoded_.depth()},
                 {&model_stage_, waiting(prepared_), prepared_.depth()},
                 {&post_stage_, waiting(computed_), computed_.depth()},
                 {&sink_stage_, waiting(said_), said_.depth()}});
}

void Engine::work(const volatile std::sig_atomic_t& stopped) {
  stopped_ = &stopped;
  std::thread watchdog([this] { watch(); });
  std::vector<std::thread> threads;
  threads.emplace_back([this] { fetch(); });
  threads.emplace_back([this] {
    stage(decode_stage_, fetched_, decoded_, [this](Item& item) { decode(item); });
  });
  threads.emplace_back([this] {
    stage(pre_stage_, decoded_, prepared_, [this](Item& item) {
      item.geometry = placing_ ? placing_->place(item.picture) : blocks::Geometry(item.tensor);
      item.tensor = prepare(std::move(item.tensor), *item.geometry);
    });
  });
  threads.emplace_back([this] {
    stage(model_stage_, prepared_, computed_, [this](Item& item) { item.outputs = model_.infer(item.tensor); });
  });
  threads.emplace_back([this] {
    stage(post_stage_, computed_, said_, [this](Item& item) {
      if (computed_wanted_) item.answer.computed = std::make_shared<const Computed>(Computed{item.outputs, *item.geometry});
      Answer made{{}, interpret(std::move(item.outputs), *item.geometry, item.picture.when)};
      item.answer.name = item.picture.name;
      item.answer.line = answer_line(item.picture.name, made, false);
      item.answer.record = std::move(made.record);
    });
  });
  answer();
  for (std::thread& thread : threads) thread.join();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
  }
  ending_.notify_one();
  watchdog.join();
}

void Engine::fetch() {
  static const Picture next_one{"the next picture", {}, {}, {}};
  while (*stopped_ == 0) {
    std::optional<Picture> picture;
    try {
      const Stage::Working working(source_stage_, next_one, false);
      picture = source_.next(glance);
    } catch (...) {
      fail(thrown());
      pause(patience);
      continue;
    }
    if (!picture) continue;
    if (picture->when.utc == 0) picture->when = now();
    Item item;
    item.picture = std::move(*picture);
    status_.entered();
    let_in(std::move(item));
  }
  fetched_.close();
}

/// Not sooner than `fps` allows: who is asked for pictures waits, who brings them when they come goes without.
void Engine::let_in(Item item) {
  if (flow_.fps > 0) {
    const auto now = Stage::Clock::now();
    if (now < next_in_ && flow_.drop_oldest) return settle(item.picture, Fate::dropped, "");
    if (now < next_in_) pause(std::chrono::duration_cast<std::chrono::milliseconds>(next_in_ - now));
    next_in_ = std::max(next_in_, now) + duration(1 / flow_.fps);
  }
  if (!flow_.drop_oldest) {
    if (!fetched_.push(item)) settle(item.picture, Fate::left, "");
    return;
  }
  const std::optional<Item> oldest = fetched_.push_over(item);
  if (oldest) settle(oldest->picture, Fate::dropped, "");
}

template <class Work>
void Engine::stage(Stage& stage, Queue& from, Queue& to, Work work) {
  while (!from.over()) {
    std::optional<Item> item = from.pop(glance);
    if (!item) continue;
    std::string wrong;
    try {
      const Stage::Working working(stage, item->picture);
      work(*item);
    } catch (const Vanished&) {
      settle(item->picture, Fate::left, "");
      continue;
    } catch (const ReadError& error) {
      wrong = error.what();  // names the file
    } catch (...) {
      wrong = item->picture.name + ": " + stage.name() + ": " + thrown();
    }
    if (wrong.empty()) {
      to.push(*item);
    } else {
      settle(item->picture, Fate::refused, wrong);
    }
  }
  to.close();
}

void Engine::decode(Item& item) {
  item.tensor = item.picture.pixels();
  item.picture.pixels = nullptr;  // what it holds is not needed any more
  if (pictures_wanted_) item.answer.picture = std::make_shared<const Tensor>(item.tensor);
}

void Engine::answer() {
  auto flushed = Stage::Clock::now();
  while (!said_.over()) {
    std::optional<Item> item = said_.pop(glance);
    if (item) {
      bool taken = false;
      {
        Stage::Working working(sink_stage_, item->picture);
        taken = put(*item, working);
      }
      settle(item->picture, taken ? Fate::answered : Fate::left, taken ? item->answer.line : "");
    }
    const auto now = Stage::Clock::now();
    if (now - flushed > 1s) {
      for (const auto& sink : sinks_) sink->flush();
      flushed = now;
    }
  }
  for (const auto& sink : sinks_) sink->flush();
}

/// Into every sink, each once. False where one takes nothing and the program is to stop.
bool Engine::put(Item& item, Stage::Working& working) {
  for (const auto& sink : sinks_) {
    for (;;) {
      const std::string problem = sink->put(item.answer);
      if (problem.empty()) break;
      fail(problem);
      if (*stopped_ != 0) return false;
      for (int part = 0; part < 4; ++part) {  // a watchdog of a second would take all of it for a halt
        pause(patience / 4);
        working.alive();
      }
    }
  }
  return true;
}

/// A stage that comes to a halt cannot be ended from outside, only with the program: who started that starts it again.
/// A picture that a stage in the middle could not get past is put aside, else it would be the next one again.
void Engine::watch() {
  const Stage* const all[] = {&source_stage_, &decode_stage_, &pre_stage_, &model_stage_, &post_stage_, &sink_stage_};
  std::unique_lock<std::mutex> lock(mutex_);
  while (!ending_.wait_for(lock, 250ms, [this] { return over_; })) {
    lock.unlock();
    for (const Stage* stage : all) {
      stage->stuck_for(duration(flow_.stuck_s), [&](const Picture& picture) {
        const bool suspect = stage != &source_stage_ && stage != &sink_stage_;
        const std::string words = picture.name + ": " + stage->name() + " has been at it for longer than " +
                                  std::to_string(static_cast<int>(flow_.stuck_s)) + " s; the program ends";
        fail(words);
        if (suspect) static_cast<void>(source_.settled(picture, Fate::refused, words));
        status_.write();
        _exit(Exit::stuck);
      });
    }
    lock.lock();
  }
}

void Engine::settle(const Picture& picture, Fate fate, const std::string& said) {
  if (fate == Fate::refused) fail(said, false);
  if (fate == Fate::answered) {
    status_.answered();
    const std::lock_guard<std::mutex> lock(mutex_);
    told_.clear();
  } else {
    status_.gone(fate == Fate::dropped);
  }
  std::string problem;
  try {
    problem = source_.settled(picture, fate, said);
  } catch (...) {
    problem = picture.name + ": " + thrown();
  }
  if (!problem.empty()) fail(problem);
}

/// A trouble that lasts is counted each time and told on stderr once.
void Engine::fail(const std::string& words, bool lasts) {
  status_.failed(words, lasts);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (words != told_) complain(words);
  told_ = words;
}

void Engine::pause(std::chrono::milliseconds time) const {
  const auto until = Stage::Clock::now() + time;
  while (*stopped_ == 0 && Stage::Clock::now() < until) {
    std::this_thread::sleep_for(std::min<Stage::Clock::duration>(glance / 2, until - Stage::Clock::now()));
  }
}

}  // namespace edgepack::program
