// What a dispatch policy is: a pure scorer of nodes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "env/base/random.h"
#include "env/simulation/simulation.h"
#include "env/view/fleet_view.h"
#include "env/view/ordering_policy.h"
#include "env/view/task_view.h"

namespace yardmaster {

/// Scores every node for a task; the smallest legal score wins, ties by draw. Immutable and free of
/// state, so one object serves any number of worlds and threads, and a rollout moves nobody's
/// counter.
class DispatchPolicy {
 public:
  virtual ~DispatchPolicy() = default;
  /// Writes scores [node], lower is better; infinity for a node that must not be taken. `legal` has
  /// nodes first. `draw` is this decision's own randomness.
  virtual void score(const TaskView&, const FleetView&, std::span<const std::uint8_t> legal,
                     Draw draw, std::span<double> scores) const = 0;
  /// Whether it reads the nodes' reports; a rule that reckons with the dispatcher's own ledger
  /// alone says no, and its runs save their cost.
  [[nodiscard]] virtual bool reads_reports() const { return true; }
};

/// A named dispatch rule: one line of the table.
struct DispatchEntry {
  std::string_view name, summary;
  std::unique_ptr<DispatchPolicy> (*make)();
};

/// A named ordering of the ready queue.
struct OrderingEntry {
  std::string_view name, summary;
  std::unique_ptr<OrderingPolicy> (*make)();
};

/// All rules, in the order in which tables list them.
std::span<const DispatchEntry> dispatch_table();
std::span<const OrderingEntry> ordering_table();

/// The rule of that name; null when there is none.
std::unique_ptr<DispatchPolicy> make_dispatch(std::string_view name);
/// The ordering of that name; null when there is none.
std::unique_ptr<OrderingPolicy> make_ordering(std::string_view name);

/// The node with the smallest score among the legal ones, ties by draw; kNoNode when none is legal.
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
