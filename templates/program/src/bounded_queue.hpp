// Between two stages: a queue that never grows beyond its depth.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace edgepack::program {

template <class Item>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t depth) : depth_(depth) {}

  /// Waits for room. False, and the item stays the caller's, where the queue was closed.
  bool push(Item& item) {
    std::unique_lock<std::mutex> lock(mutex_);
    room_.wait(lock, [this] { return closed_ || items_.size() < depth_; });
    if (closed_) return false;
    put(lock, item);
    return true;
  }

  /// Does not wait: where it is full, the oldest goes, and is returned.
  std::optional<Item> push_over(Item& item) {
    std::unique_lock<std::mutex> lock(mutex_);
    std::optional<Item> oldest;
    if (closed_) return std::optional<Item>(std::move(item));
    if (items_.size() >= depth_) {
      oldest = std::move(items_.front());
      items_.pop_front();
    }
    put(lock, item);
    return oldest;
  }

  /// Waits for one, not longer than `patience`; empty where none came, or none will (`over`).
  std::optional<Item> pop(std::chrono::milliseconds patience) {
    std::unique_lock<std::mutex> lock(mutex_);
    came_.wait_for(lock, patience, [this] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    std::optional<Item> item(std::move(items_.front()));
    items_.pop_front();
    lock.unlock();
    room_.notify_one();
    return item;
  }

  /// Nothing more comes; what is in it is still given out.
  void close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    came_.notify_all();
    room_.notify_all();
  }

  /// Closed, and nothing is left in it.
  bool over() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return closed_ && items_.empty();
  }

  std::size_t size() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return items_.size();
  }
  std::size_t depth() const { return depth_; }

 private:
  void put(std::unique_lock<std::mutex>& lock, Item& item) {
    items_.push_back(std::move(item));
    lock.unlock();
    came_.notify_one();
  }

  const std::size_t depth_;
  mutable std::mutex mutex_;
  std::condition_variable came_, room_;
  std::deque<Item> items_;
  bool closed_ = false;
};

}  // namespace edgepack::program
