// Which worlds a learner has seen, because its results there are no evidence.
//
// A world of generated work is its seed, whatever the scenario is called. A world of a trace is the
// stretch of the trace that it replays: seeds which choose the same window, or windows which share
// a part of the trace under another load or duration, are the same evidence.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/units.h"
#include "env/rl/seed_range.h"
#include "env/scenario/scenario.h"

namespace yardmaster {

/// The requests of a trace which arrive in [from, until), in the trace's own time.
struct TraceInterval {
  std::uint64_t trace = 0;  // a hash of the trace's content
  Duration from;
  Duration until;

  [[nodiscard]] bool overlaps(const TraceInterval& other) const {
    return trace == other.trace && from < other.until && other.from < until;
  }
  bool operator==(const TraceInterval&) const = default;
};

/// A set of worlds.
struct Worlds {
  std::vector<SeedRange> seeds;          // of generated work
  std::vector<TraceInterval> intervals;  // of traces

  /// Adds those of `other` which are not here yet.
  void add(const Worlds& other);
  /// Whether any world is in both.
  [[nodiscard]] bool overlaps(const Worlds& other) const;
  bool operator==(const Worlds&) const = default;
};

/// Tells which worlds the seeds of one scenario choose.
class WorldIndex {
 public:
  /// Borrows the scenario. Reads a trace once.
  explicit WorldIndex(const Scenario&);

  /// The worlds of these seeds.
  [[nodiscard]] Worlds of(const SeedRange&) const;

 private:
  [[nodiscard]] TraceInterval windows(std::uint64_t first, std::uint64_t end) const;

  const Scenario* scenario_;
  std::uint64_t trace_ = 0;
};

}  // namespace yardmaster
