#include "agents/worlds.h"

#include <algorithm>
#include <cmath>

namespace yardmaster {
namespace {

std::uint64_t hash_of(const std::vector<TraceRow>& trace) {
  std::uint64_t hash = mix64(trace.size());
  for (const TraceRow& row : trace) {
    hash = mix64(hash ^ static_cast<std::uint64_t>(row.arrival.ps));
    hash = mix64(hash ^ static_cast<std::uint64_t>(row.prompt_tokens));
    hash = mix64(hash ^ static_cast<std::uint64_t>(row.output_tokens));
  }
  return hash;
}

template <class T>
void add_new(std::vector<T>& to, const std::vector<T>& from) {
  for (const T& item : from) {
    if (std::find(to.begin(), to.end(), item) == to.end()) {
      to.push_back(item);
    }
  }
}

template <class T>
bool any_overlap(const std::vector<T>& a, const std::vector<T>& b) {
  return std::any_of(a.begin(), a.end(), [&](const T& x) {
    return std::any_of(b.begin(), b.end(), [&](const T& y) { return x.overlaps(y); });
  });
}

}  // namespace

void Worlds::add(const Worlds& other) {
  add_new(seeds, other.seeds);
  add_new(intervals, other.intervals);
}

bool Worlds::overlaps(const Worlds& other) const {
  return any_overlap(seeds, other.seeds) || any_overlap(intervals, other.intervals);
}

WorldIndex::WorldIndex(const Scenario& scenario)
    : scenario_(&scenario), trace_(hash_of(scenario.workload.trace)) {}

Worlds WorldIndex::of(const SeedRange& seeds) const {
  Worlds worlds;
  const Workload& workload = scenario_->workload;
  if (workload.trace.empty()) {
    worlds.seeds = {seeds};
    return worlds;
  }
  // Consecutive seeds choose consecutive windows, and the first window follows the last.
  const std::uint64_t first = trace_window(workload, Seed{seeds.first});
  const std::uint64_t count = std::min<std::uint64_t>(seeds.count, workload.windows);
  const std::uint64_t end = std::min<std::uint64_t>(first + count, workload.windows);
  worlds.intervals.push_back(windows(first, end));
  if (first + count > end) {
    worlds.intervals.push_back(windows(0, first + count - end));
  }
  return worlds;
}

TraceInterval WorldIndex::windows(std::uint64_t first, std::uint64_t end) const {
  const Workload& workload = scenario_->workload;
  const auto border = [&](std::uint64_t window) {
    const double simulated_ps =
        static_cast<double>(window) * static_cast<double>(workload.window.ps);
    return Duration{std::llround(simulated_ps / workload.time_scale)};
  };
  return {trace_, border(first), border(end)};
}

}  // namespace yardmaster
