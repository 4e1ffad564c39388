// The cost model of the policies: the compiled step costs of each node, times the scenario's
// calibration error. It does not know slow spells or anything that was not reported.
//
// Everything is in closed form in the columns of a FleetView, O(1) per node. Symbols, for one node:
//
//   n, d   requests in flight; those of them with a first token
//   P, O   prompt and predicted tokens of those d, summed
//   T      the time since their first tokens, summed
//   W      prompt tokens of the other n - d, summed
//   L, o   prompt and predicted tokens of the task
//   M, m   prompt and output tokens of the mean task: over the node's requests and 16 more of the
//          workload's mean
//   KV     tokens that fit into memory
//
// Formulas:
//
//   step(d, S)       = decode_base[d] + decode_token S
//   stall(d, S, x)   = time of the steps that compute x prompt tokens beside d decodes
//                      - time of as many decode steps
//   pace(d, S)       = step(d, S) + (d - 1) / m stall(d, S, M)
//   produced         = d + T / pace(d, P + O / 2)
//   S                = P + produced
//   remaining        = (x + sqrt(x^2 + (O / 2)^2)) / 2, at least d        x = O - produced
//   e                = max(n + 1 - max_num_seqs, (n + 1) (1 - KV / (S + W + L)))
//   wait             = max(prefill of W, e m pace / d) + (steps in flight - 1/2) step
//   prefill          = time of the steps that compute L tokens beside d decodes over S
//   tpot             = pace(n + 1, S + W + L + o / 2)
//   finish           = wait + prefill + (o - 1) tpot
//   r                = remaining / d, or m if d = 0
//   v                = 2 r o / (r + o)
//   growth           = (decode_base[n + 8] - decode_base[n]) / 8
//   delay_to_others  = n (stall(d, S, L) + v (decode_token (L + o / 2) + growth))
//
// docs/policies.md gives the reasons. Assumptions: prompts and outputs on a node are independent,
// a batch keeps its size, and predicted lengths are correct.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "env/base/ids.h"
#include "env/base/random.h"
#include "env/scenario/scenario.h"

namespace yardmaster {

struct FleetView;
struct TaskView;

/// The load of a node according to the ledger and the cost model.
struct LoadEstimate {
  /// Requests sent and not ended.
  double requests = 0;
  /// Of these, requests with a first token.
  double decoding = 0;
  /// Computed tokens of the requests that decode.
  double context = 0;
  /// Tokens that these requests are still expected to produce.
  double remaining = 0;
  /// One decode step.
  double step_s = 0;
  /// Per token, including the prompts of successors.
  double pace_s = 0;
  /// Mean output tokens of a request on the node.
  double mean_output = 1;
  /// Delay per token that the successor of one decode causes to the others.
  double successor_stall_s = 0;
};

/// The predicted effect of sending a task to a node.
struct Prediction {
  /// Until the task's prefill begins.
  double wait_s = 0;
  /// The task's own prefill, beside the decodes on the node.
  double prefill_s = 0;
  /// From the first token to the last.
  double decode_s = 0;
  /// Decode time per token.
  double tpot_s = 0;
  /// Delay of the other requests on the node, summed over them.
  double delay_to_others_s = 0;

  /// Until the task ends.
  [[nodiscard]] double finish_s() const { return wait_s + prefill_s + decode_s; }
};

/// Predictions for (task, node) pairs. A value: it belongs to a world and is copied with it; it
/// depends on the scenario and the seed only, and reads the FleetView that it is given.
class Estimates {
 public:
  Estimates() = default;
  /// Borrows the scenario, like the world that it belongs to.
  Estimates(const Scenario&, Seed);

  /// The present load of `n`.
  [[nodiscard]] LoadEstimate load(NodeId n, const FleetView&) const;
  /// The predicted effect of sending the task to `n` now.
  [[nodiscard]] Prediction predict(NodeId n, const TaskView&, const FleetView&) const;

  /// Tokens that the requests with a first token on `n` are still expected to produce, from
  /// predicted lengths and the time since their first tokens; at least one for each.
  [[nodiscard]] double remaining_tokens(NodeId n, const FleetView& view) const {
    return load(n, view).remaining;
  }
  /// Context tokens of the requests that decode on `n`.
  [[nodiscard]] double context_tokens(NodeId n, const FleetView& view) const {
    return load(n, view).context;
  }
  /// Seconds of one decode step of `sequences` over `context_tokens`.
  [[nodiscard]] double step(NodeId n, double sequences, double context_tokens) const;
  /// Seconds to compute `tokens` of one prompt, alone.
  [[nodiscard]] double prefill(NodeId n, double tokens) const;
  /// Seconds that `tokens` of one prompt add to the steps of a busy node: without the read of the
  /// weights and the host's time, which its decodes pay for anyway.
  [[nodiscard]] double prefill_beside(NodeId n, double tokens) const;
  /// Seconds until the work on `n` would be done if no more arrived: waiting prompts, then the
  /// remaining tokens of the mean request at the present batch.
  [[nodiscard]] double work_ahead(NodeId n, const FleetView&) const;
  /// Seconds per output token if the task joined now.
  [[nodiscard]] double tpot_if_joined(NodeId n, const TaskView& task, const FleetView& view) const {
    return predict(n, task, view).tpot_s;
  }
  /// Predicted seconds until the task ends on `n`: waiting, own prefill, decode at the batch it
  /// joins.
  [[nodiscard]] double finish_s(NodeId n, const TaskView& task, const FleetView& view) const {
    return predict(n, task, view).finish_s();
  }
  /// Delay that the task causes to the others on `n`, summed over them: its prefill stalls them,
  /// and their steps become longer.
  [[nodiscard]] double delay_to_others_s(NodeId n, const TaskView& task,
                                         const FleetView& view) const {
    return predict(n, task, view).delay_to_others_s;
  }
  /// Saturated requests/s of the node on this workload.
  [[nodiscard]] double service_rate(NodeId n) const { return service_rates_[index(n)]; }
  /// The same of all nodes.
  [[nodiscard]] std::span<const double> service_rates() const { return service_rates_; }

 private:
  struct NodeModel {
    const NodeSettings* settings = nullptr;
    /// Of the compiled costs: 1e-12 times the node's calibration factor.
    double seconds_per_ps = 0;
    /// Seconds that a context token adds to a decode step.
    double context_token = 0;
    /// A prompt of x tokens beside decodes over S tokens stalls them by
    /// stall_base + stall_token x + stall_context S seconds.
    double stall_base = 0;
    double stall_token = 0;
    double stall_context = 0;
    /// Tokens that fit into memory.
    double kv_tokens = 0;
    /// Most decodes beside which a chunk of prefill has room.
    std::int32_t most_decodes = 1;
  };
  /// Prompt tokens computed in steps that they share with decodes.
  struct Mixed {
    double seconds = 0;
    double steps = 0;
  };

  static double step(const NodeModel&, double sequences, double context);
  static double growth(const NodeModel&, double sequences);
  static Mixed mixed(const NodeModel&, double decodes, double context, double tokens, double pairs);
  static double stall(const NodeModel&, double decodes, double context, double tokens);
  static double pace(const NodeModel&, const LoadEstimate&, double decodes, double context);
  static double waiting_prefill(const NodeModel&, const LoadEstimate&, double prompts,
                                double tokens);
  static double delay_to_others_s(const NodeModel&, const LoadEstimate&, const Mixed& prefill,
                                  const TaskView&);
  void fit_stall(NodeModel&) const;
  [[nodiscard]] LoadEstimate load(const NodeModel&, std::size_t node, const FleetView&) const;
  [[nodiscard]] double wait(const NodeModel&, const LoadEstimate&, std::size_t node,
                            const TaskView&, const FleetView&) const;

  /// [node]
  std::vector<NodeModel> nodes_;
  /// [node] requests/s
  std::vector<double> service_rates_;
  /// Mean tokens of the workload's tasks.
  double mean_prompt_ = 1;
  double mean_output_ = 1;
  /// Mean predicted tokens of tasks in flight. Larger than the mean of all tasks, because long
  /// tasks are in flight for longer.
  double predicted_in_flight_ = 1;
};

}  // namespace yardmaster
