// Nodes over time. Their state is read at decisions, so sampling changes nothing in the world.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/scenario/scenario.h"
#include "env/simulation/simulation.h"

namespace yardmaster {

/// Shares in [0, 1] between two instants. Peaks are those of the data sheet.
struct Utilisation {
  double busy = 0;       // of the time, with a step under way
  double compute = 0;    // of peak FLOP/s
  double memory = 0;     // of KV blocks, over time
  double bandwidth = 0;  // of peak bytes/s: weights and KV as read
};

/// One node at one instant, with its utilisation since the previous sample, or since the start.
struct NodeSample {
  Time time;
  NodeId node = kNoNode;
  NodeState state;
  Utilisation since_last;
};

/// Samples every node at the first decision at or after each multiple of an interval.
class NodeSampler {
 public:
  /// Borrows the scenario. REQUIRES interval > 0.
  NodeSampler(const Scenario& scenario, Duration interval);

  /// An interval that gives about 250 samples in a run of the scenario's duration.
  static Duration default_interval(const Scenario&);

  /// Takes samples if they are due. Cheap when they are not.
  void at_decision(Simulation& world) {
    if (world.now() >= next_) {
      sample(world);
    }
  }
  /// Takes samples now, unless the last are of this instant. To be called at the end of a run.
  void sample(Simulation&);

  /// All samples, by time, then node.
  [[nodiscard]] const std::vector<NodeSample>& samples() const { return samples_; }

  /// Utilisation [node] between the first sample at or after `from` and the last at or before `to`.
  /// Of the whole run up to the last sample when these are not two different instants.
  [[nodiscard]] std::vector<Utilisation> between(Time from, Time to) const;

 private:
  [[nodiscard]] Utilisation utilisation(NodeId, const NodeCounters& before,
                                        const NodeCounters& after, Duration elapsed) const;

  const Scenario* scenario_;
  Duration interval_;
  Time next_;
  std::vector<NodeSample> samples_;
};

}  // namespace yardmaster
