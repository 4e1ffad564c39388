#include "env/rl/thread_pool.h"

#include <utility>

#include "env/rl/usage_error.h"

namespace yardmaster {

ThreadPool::ThreadPool(int threads) {
  if (threads < 1) {
    throw UsageError("a thread pool needs at least one thread");
  }
  for (int i = 1; i < threads; ++i) {
    workers_.emplace_back([this] { work(); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) {
    worker.join();
  }
}

void ThreadPool::run(std::size_t count, const std::function<void(std::size_t)>& body) {
  {
    const std::lock_guard lock(mutex_);
    body_ = &body;
    count_ = count;
    busy_ = workers_.size();
    failed_ = kNone;
    next_.store(0);
    ++round_;
  }
  wake_.notify_all();
  drain();
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  if (failed_ != kNone) {
    std::rethrow_exception(std::exchange(exception_, nullptr));
  }
}

void ThreadPool::work() {
  std::uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || round_ != seen; });
      if (stop_) {
        return;
      }
      seen = round_;
    }
    drain();
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) {
      done_.notify_one();
    }
  }
}

void ThreadPool::drain() {
  for (std::size_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) {
    try {
      (*body_)(i);
    } catch (...) {
      keep_exception(i);
    }
  }
}

void ThreadPool::keep_exception(std::size_t index) {
  const std::lock_guard lock(mutex_);
  if (index < failed_) {
    failed_ = index;
    exception_ = std::current_exception();
  }
}

}  // namespace yardmaster
