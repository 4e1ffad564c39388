// The cost model that policies reckon with: the compiled step costs of each node under the
// scenario's calibration error, blind to slow-downs and to everything that was not reported. All in
// seconds.
//
// Everything is closed form in the columns of a FleetView, O(1) a node. With, on one node,
//   n, d   requests sent and not ended, and how many of them have had a first token;
//   P, O   prompt and predicted tokens of those d, T the time since their first tokens, summed;
//   W      prompt tokens of the n - d without a first token;
//   M, m   prompt and output tokens of the mean task there: of what is there and 16 of the
//   workload; L, o   prompt and predicted tokens of the task that asks: step(d, S)      =
//   decode_base[d] + decode_token S stall(d, S, x)  = steps that compute x prompt tokens beside d
//   decodes, less as many decode steps pace(d, S)      = step(d, S) + (d - 1) / m stall(d, S, M)
//   who ends is replaced by a new prompt produced        = d + T / pace,  S = P + produced,
//   remaining = O - produced, smoothly above 0 wait            = max(prefill of W, excess m pace /
//   d) + steps in flight finish          = wait + prefill of L + (o - 1) pace(n + 1, S + W + L + o
//   / 2) others lose     = n stall(d, S, L) + n overlap (decode_token (L + o / 2) + growth of
//   decode_base)
// docs/policies.md says why. What it does not know: prompts and outputs of one node are
// independent, a batch stays as large as it is, and predicted lengths are taken at their word.
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

/// What is on a node, as the ledger and the cost model tell.
struct LoadEstimate {
  double requests = 0;     // sent and not ended
  double decoding = 0;     // of these, with a first token
  double context = 0;      // computed tokens of those that decode
  double remaining = 0;    // tokens that those are still expected to produce
  double step = 0;         // seconds of one decode step
  double pace = 0;         // seconds a token, the prompts of successors included
  double mean_output = 1;  // tokens of a request there, from first to last
  double successor_stall =
      0;  // seconds that the successor of one decode adds to the others, a token
};

/// What sending a task to a node is predicted to do.
struct Prediction {
  double wait = 0;     // until its prefill begins
  double prefill = 0;  // its own, beside the decodes there
  double decode = 0;   // from the first token to the last
  double tpot = 0;     // of it, a token
  double others = 0;   // what the others there lose, summed over them

  [[nodiscard]] double finish() const { return wait + prefill + decode; }
};

/// Predictions for (task, node) pairs. A value: it belongs to a world and is copied with it; it
/// depends on the scenario and the seed only, and reads the FleetView that it is given.
class Estimates {
 public:
  Estimates() = default;
  /// Borrows the scenario, like the world that it belongs to.
  Estimates(const Scenario&, Seed);

  /// What is on `n` now.
  [[nodiscard]] LoadEstimate load(NodeId n, const FleetView&) const;
  /// What sending the task to `n` now is predicted to do.
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
  /// Seconds until what is on `n` would be done if nothing more came: prompts that wait, then the
  /// tokens left of the mean request at the present batch.
  [[nodiscard]] double work_ahead(NodeId n, const FleetView&) const;
  /// Seconds per output token if the task joined now.
  [[nodiscard]] double tpot_if_joined(NodeId n, const TaskView& task, const FleetView& view) const {
    return predict(n, task, view).tpot;
  }
  /// Predicted seconds until the task ends on `n`: waiting, own prefill, decode at the batch it
  /// joins.
  [[nodiscard]] double finish(NodeId n, const TaskView& task, const FleetView& view) const {
    return predict(n, task, view).finish();
  }
  /// Seconds that the others on `n` lose, summed over them, when the task joins: its prefill stalls
  /// them and their steps grow.
  [[nodiscard]] double others_lose(NodeId n, const TaskView& task, const FleetView& view) const {
    return predict(n, task, view).others;
  }
  /// Saturated requests/s of the node on this workload.
  [[nodiscard]] double service_rate(NodeId n) const { return service_rates_[index(n)]; }
  /// The same of all nodes.
  [[nodiscard]] std::span<const double> service_rates() const { return service_rates_; }

 private:
  struct NodeModel {
    const NodeSettings* settings = nullptr;
    double seconds_per_ps = 0;  // of the compiled costs: 1e-12 times the node's calibration factor
    double context_token = 0;   // seconds that a context token adds to a decode step
    double stall_base = 0;      // a prompt of x tokens beside decodes over S stalls them by
    double stall_token = 0;     //   stall_base + stall_token x + stall_context S
    double stall_context = 0;
    double kv_tokens = 0;           // that fit
    std::int32_t most_decodes = 1;  // beside which a chunk of prefill has room
  };
  /// Prompt tokens computed in steps that they share with decodes.
  struct Mixed {
    double seconds = 0, steps = 0;
  };

  static double step(const NodeModel&, double sequences, double context);
  static double growth(const NodeModel&, double sequences);
  static Mixed mixed(const NodeModel&, double decodes, double context, double tokens, double pairs);
  static double stall(const NodeModel&, double decodes, double context, double tokens);
  static double pace(const NodeModel&, const LoadEstimate&, double decodes, double context);
  static double waiting_prefill(const NodeModel&, const LoadEstimate&, double prompts,
                                double tokens);
  static double others_lose(const NodeModel&, const LoadEstimate&, const Mixed& prefill,
                            const TaskView&);
  void fit_stall(NodeModel&) const;
  [[nodiscard]] LoadEstimate load(const NodeModel&, std::size_t node, const FleetView&) const;
  [[nodiscard]] double wait(const NodeModel&, const LoadEstimate&, std::size_t node,
                            const TaskView&, const FleetView&) const;

  std::vector<NodeModel> nodes_;       // [node]
  std::vector<double> service_rates_;  // [node] requests/s
  // Tokens of the workload's tasks.
  double mean_prompt_ = 1, mean_output_ = 1;
  double predicted_in_flight_ =
      1;  // mean prediction of those in flight, long ones being there longer
};

}  // namespace yardmaster
