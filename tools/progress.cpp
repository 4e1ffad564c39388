#include "tools/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace yardmaster {
namespace {

constexpr std::int64_t kSilentMs = 2000, kIntervalMs = 100;
constexpr std::uint64_t kBarCells = 30;

std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds);
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

}  // namespace

Progress::Progress(std::string label, std::uint64_t total)
    : label_(std::move(label)),
      total_(total),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()),
      next_draw_ms_(kSilentMs) {}

Progress::~Progress() {
  const std::scoped_lock lock(mutex_);
  if (drawn_) {
    fmt::print(stderr, "\r\x1b[K");  // erase the line
    std::fflush(stderr);
  }
}

void Progress::set(std::uint64_t done) {
  done_ = done;
  draw_if_due();
}

void Progress::add(std::uint64_t more) {
  done_ += more;
  draw_if_due();
}

void Progress::note(std::string text) {
  {
    const std::scoped_lock lock(mutex_);
    note_ = std::move(text);
  }
  draw_if_due();
}

void Progress::draw_if_due() {
  if (!terminal_) {
    return;
  }
  const auto elapsed = std::chrono::steady_clock::now() - start_;
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
  std::int64_t due = next_draw_ms_;
  // One thread draws; the others continue with their work.
  if (ms >= due && next_draw_ms_.compare_exchange_strong(due, ms + kIntervalMs)) {
    draw(static_cast<double>(ms) / 1000);
  }
}

void Progress::draw(double elapsed_s) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t done = done_;
  std::string line;
  if (total_ == 0) {
    line = fmt::format("{}  {}  {}", label_, done, clock_text(elapsed_s));
  } else {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
    const auto cells = static_cast<std::uint64_t>(share * static_cast<double>(kBarCells));
    line = fmt::format("{} [{}{}] {:3.0f} %  {}", label_, std::string(cells, '='),
                       std::string(kBarCells - cells, ' '), 100 * share, clock_text(elapsed_s));
    if (share > 0) {
      line += fmt::format(", {} left", clock_text(elapsed_s * (1 - share) / share));
    }
  }
  fmt::print(stderr, "\r{}{}{}\x1b[K", line, note_.empty() ? "" : "  ", note_);
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace yardmaster
