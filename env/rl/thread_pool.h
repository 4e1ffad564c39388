// A fixed set of threads which work through independent indices. Which thread takes which index is
// left to chance, so a body may touch nothing that another index touches, and then no result
// depends on the number of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

namespace yardmaster {

/// `threads` workers, the caller among them. One user at a time.
class ThreadPool {
 public:
  /// Throws UsageError unless threads >= 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Calls body(i) once for every i in [0, count) and returns when all calls have ended. If some of
  /// them throw, all others are still made, and then the exception of the smallest index is thrown
  /// here. The pool can be used again after that.
  void run(std::size_t count, const std::function<void(std::size_t)>& body);

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  void work();
  void drain();
  void keep_exception(std::size_t index);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  const std::function<void(std::size_t)>* body_ = nullptr;
  std::size_t count_ = 0;
  std::size_t busy_ = 0;
  std::uint64_t round_ = 0;
  bool stop_ = false;
  std::size_t failed_ = kNone;  // the smallest index that threw
  std::exception_ptr exception_;
  std::atomic<std::size_t> next_{0};
  std::vector<std::thread> workers_;
};

}  // namespace yardmaster
