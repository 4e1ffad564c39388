// A fixed set of threads that work through independent indices. Who does which index is left to
// chance; so a body may touch nothing that another index touches, and then no result depends on the
// number of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace yardmaster {

/// `threads` workers, the caller among them. One user at a time.
class ThreadPool {
 public:
  /// REQUIRES threads >= 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Calls body(i) once for every i in [0, count) and returns when all have returned. The body must
  /// not throw.
  void run(std::size_t count, const std::function<void(std::size_t)>& body);

 private:
  void work();
  void drain();

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(std::size_t)>* body_ = nullptr;
  std::size_t count_ = 0, busy_ = 0;
  std::uint64_t round_ = 0;
  bool stop_ = false;
  std::atomic<std::size_t> next_{0};
  std::vector<std::thread> workers_;
};

}  // namespace yardmaster
