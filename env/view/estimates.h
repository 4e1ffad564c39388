// The cost model that policies reckon with: the compiled step costs of each node under the scenario's
// calibration error, blind to slow-downs and to everything that was not reported. All in seconds.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/random.h"
#include "env/scenario/scenario.h"

namespace yardmaster {

struct FleetView;
struct TaskView;

/// Predictions for (task, node) pairs. A value: it belongs to a world and is copied with it; it depends on
/// the scenario and the seed only, and reads the FleetView that it is given.
class Estimates {
 public:
  Estimates() = default;
  Estimates(const Scenario&, Seed);

  /// Tokens that the running requests of `n` are still expected to produce, from predicted lengths
  /// and the time since their first tokens; at least one for each.
  [[nodiscard]] double remaining_tokens(NodeId n, const FleetView&) const;
  /// Context tokens of the requests that decode on `n`.
  [[nodiscard]] double context_tokens(NodeId n, const FleetView&) const;
  /// Seconds of one decode step of `sequences` over `context_tokens`.
  [[nodiscard]] double step(NodeId n, double sequences, double context_tokens) const;
  /// Seconds to compute `tokens` of prompt, alone.
  [[nodiscard]] double prefill(NodeId n, double tokens) const;
  /// Seconds that `tokens` of prompt add to the steps of a busy node: without the read of the
  /// weights, which its decodes pay for anyway.
  [[nodiscard]] double prefill_beside(NodeId n, double tokens) const;
  /// Seconds until what is on `n` would be done if nothing more came: prompts that wait, then the
  /// remaining tokens at the present batch.
  [[nodiscard]] double work_ahead(NodeId n, const FleetView&) const;
  /// Seconds per output token if the task joined now.
  [[nodiscard]] double tpot_if_joined(NodeId n, const TaskView&, const FleetView&) const;
  /// Predicted seconds until the task ends on `n`: waiting, own prefill, decode at the batch it joins.
  [[nodiscard]] double finish(NodeId n, const TaskView&, const FleetView&) const;
  /// Seconds that the others on `n` lose, summed over them, when the task joins: its prefill stalls
  /// them and their steps grow (docs/model.md, "Marginal cost").
  [[nodiscard]] double others_lose(NodeId n, const TaskView&, const FleetView&) const;
  /// Saturated requests/s of the node on this workload.
  [[nodiscard]] double service_rate(NodeId n) const { return nodes_[index(n)].service_rate; }

 private:
  struct NodeModel {
    const NodeSettings* settings = nullptr;
    double error = 1;             // multiplies every time
    double service_rate = 0;
    double prefill_token = 0;     // marginal seconds a prompt token in large batches
  };
  std::vector<NodeModel> nodes_;  // [node]
};

}  // namespace yardmaster
