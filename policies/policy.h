// What a policy is.
//
// A dispatch policy scores every node for one task. The contract of score():
// - `scores` has one element per node, and the policy writes every one. The legal node with the
//   smallest score is chosen; equal scores are resolved by draw. A score is not NaN; infinity means
//   "not this node".
// - `legal` is [nodes + 2]: one flag per node, then hold, then reject. A node is legal if it is
//   believed up, its window has room and it accepts the task. At least one node is legal, except
//   where the scenario allows rejection. Scores of illegal nodes are ignored.
// - The task, the view and the spans are valid during the call only. A policy keeps none of them.
// - `draw` holds the randomness of this decision. Number 0 resolves ties; all others, from 1 on,
//   are free. They depend on the seed and the task only, so the same task draws the same numbers
//   under every policy.
// - A policy is immutable and has no memory. One object serves all worlds and threads, and a fork
//   of a world decides as the original does. What a rule must remember is kept in the view.
// - `reads_reports() == false` promises that the policy reads neither the prefix index nor the
//   columns of reports in the view (report_taken to reported_context_tokens, sent_since,
//   returned_since). A run then skips delivering them, and they stay as before the first report.
//
// An ordering policy gives each task of the ready queue a key (env/view/ordering_policy.h).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "env/base/random.h"
#include "env/simulation/simulation.h"
#include "env/view/fleet_view.h"
#include "env/view/ordering_policy.h"
#include "env/view/task_view.h"
#include "policies/knob.h"

namespace yardmaster {

/// Scores every node for a task, by the contract above.
class DispatchPolicy {
 public:
  virtual ~DispatchPolicy() = default;
  /// Writes scores [node]; the smallest is best.
  virtual void score(const TaskView&, const FleetView&, std::span<const std::uint8_t> legal,
                     Draw draw, std::span<double> scores) const = 0;
  /// Whether it reads the nodes' reports or the prefix index.
  [[nodiscard]] virtual bool reads_reports() const { return true; }
};

/// A named dispatch rule: one line of the table.
struct DispatchEntry {
  std::string_view name, summary;
  std::unique_ptr<DispatchPolicy> (*make)(Knobs&);
};

/// A named ordering of the ready queue.
struct OrderingEntry {
  std::string_view name, summary;
  std::unique_ptr<OrderingPolicy> (*make)(Knobs&);
};

/// All rules, in the order in which tables list them.
std::span<const DispatchEntry> dispatch_table();
std::span<const OrderingEntry> ordering_table();

/// Whether `text`, up to its colon, names a rule of the table.
bool names_dispatch_rule(std::string_view text);
/// The rule of a text NAME or NAME:KNOB=VALUE,KNOB=VALUE. Throws PolicyFault if there is none.
std::unique_ptr<DispatchPolicy> make_dispatch(std::string_view text);
/// The ordering of such a text. Throws PolicyFault if there is none.
std::unique_ptr<OrderingPolicy> make_ordering(std::string_view text);

/// The node with the smallest score among the legal ones, ties by draw; kNoNode if none is legal.
NodeId best_node(std::span<const double> scores, std::span<const std::uint8_t> legal, Draw draw);

/// Answers decisions by a policy: scores into a buffer that it keeps. One per thread.
class Dispatcher {
 public:
  Dispatcher(const DispatchPolicy& policy, Seed seed) : policy_(&policy), seed_(seed) {}
  /// The policy's action for a dispatch decision.
  Action decide(Simulation&, const Decision&);

 private:
  const DispatchPolicy* policy_;
  Seed seed_;
  std::vector<double> scores_;
};

}  // namespace yardmaster
