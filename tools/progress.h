// A progress bar on stderr for work that takes more than two seconds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace yardmaster {

/// One bar, shown until its destructor erases it. Nothing is shown when stderr is not a terminal
/// and during the first two seconds. Any thread may call it.
class Progress {
 public:
  /// `total`: units of work; 0 when unknown, which shows a count instead of a share.
  Progress(std::string label, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` units of the total are finished.
  void set(std::uint64_t done);
  /// `more` units are finished.
  void add(std::uint64_t more = 1);
  /// Text about the state of the work, shown behind the bar ("loss 0.31").
  void note(std::string text);

 private:
  void draw_if_due();
  void draw(double elapsed_s);

  const std::string label_;
  const std::uint64_t total_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::int64_t> next_draw_ms_;
  std::mutex mutex_;  // guards what follows, and the terminal
  std::string note_;
  bool drawn_ = false;
};

}  // namespace yardmaster
