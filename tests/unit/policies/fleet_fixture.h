// A hand-made fleet: nodes of given speed, and columns of a view that a test writes directly.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "env/node/settings.h"
#include "env/scenario/scenario.h"
#include "env/view/columns.h"
#include "env/view/fleet_view.h"
#include "env/view/task_view.h"

namespace yardmaster::testing {

/// One node as a test describes it. The default is idle, with a new report.
struct HandMadeNode {
  std::uint32_t kind = 0;
  std::int32_t in_flight = 0, awaiting_first = 0;
  std::int64_t awaiting_tokens = 0, prompt_tokens = 0, predicted_tokens = 0;
  double first_token_s = 0;  // sum over requests with a first token
  std::int32_t running = 0, waiting = 0;
  float kv_use = 0;
  bool up = true;
  std::int32_t prefix_blocks = 0;  // of the shared prompt, sent to this node
};

/// The first 1,000 blocks of a hand-made task's prompt are shared with other tasks.
inline constexpr PathSpan kSharedPrompt{shared_run(0), 1000};

/// `decoding` requests of equal size with a first token at `first_token_s`.
inline HandMadeNode busy(std::uint32_t kind, std::int32_t decoding, std::int64_t prompt,
                         std::int64_t predicted, double first_token_s) {
  HandMadeNode node;
  node.kind = kind;
  node.in_flight = node.running = decoding;
  node.prompt_tokens = decoding * prompt;
  node.predicted_tokens = decoding * predicted;
  node.first_token_s = decoding * first_token_s;
  return node;
}

inline TaskView hand_made_task(std::int32_t prompt, std::int32_t predicted,
                               std::uint32_t workflow = 0) {
  TaskView task;
  task.address.workflow = workflow;
  task.prompt_tokens = prompt;
  task.predicted_tokens = predicted;
  task.shared = {&kSharedPrompt, 1};
  return task;
}

/// A kind whose steps have a fixed time and a little more per sequence, token and context token,
/// all scaled by `slowness`.
inline NodeKind affine_kind(double slowness, double capacity_per_s) {
  const auto scaled = [&](double microseconds) {
    return Duration::from_seconds(microseconds * 1e-6 * slowness);
  };
  NodeKind kind;
  kind.name = "affine";
  kind.settings.rules.max_num_seqs = 64;
  kind.settings.rules.max_num_batched_tokens = 2048;
  kind.settings.rules.max_model_len = 8192;
  kind.settings.grant.blocks = 8192;
  const StepLimits limits{kind.settings.rules.max_num_seqs,
                          kind.settings.rules.max_num_batched_tokens};
  kind.settings.costs =
      CostBook(StepCost::affine(scaled(10000), scaled(10), scaled(50), scaled(0.1), limits));
  kind.capacity_per_s = capacity_per_s;
  return kind;
}

/// Work with prompts of 500 tokens and outputs of 100.
inline Tenant fixed_lengths() {
  Tenant tenant;
  tenant.prompt_tokens = {LengthDistribution::Kind::fixed, 500, 0, 1, 4096};
  tenant.output_tokens = {LengthDistribution::Kind::fixed, 100, 0, 1, 4096};
  return tenant;
}

/// Owns the scenario, the estimates and the columns; view() borrows them.
class HandMadeFleet {
 public:
  HandMadeFleet(std::vector<NodeKind> kinds, std::vector<HandMadeNode> nodes,
                double calibration_error = 0, Seed seed = {},
                const Tenant& tenant = fixed_lengths())
      : nodes_(std::move(nodes)) {
    scenario_.kinds = std::move(kinds);
    scenario_.calibration_error = calibration_error;
    scenario_.workload.tenants.push_back(tenant);
    scenario_.workload.mean = mean_task(scenario_.workload);
    for (const HandMadeNode& node : nodes_) {
      scenario_.kind_of.push_back(node.kind);
    }
    estimates_ = Estimates(scenario_, seed);
    prefixes_ = PrefixIndex(std::vector<std::int32_t>(nodes_.size(), 1000));
    for (const HandMadeNode& node : nodes_) {
      add(node);
    }
  }
  HandMadeFleet(const HandMadeFleet&) = delete;
  HandMadeFleet& operator=(const HandMadeFleet&) = delete;

  /// The fleet at `now_s`, with `last_sent` as the node of the last task.
  [[nodiscard]] FleetView view(double now_s = 10, NodeId last_sent = kNoNode) const {
    FleetView v;
    v.now = Time{Duration::from_seconds(now_s).ps};
    v.last_sent = last_sent;
    const auto bind = [](const char*, auto& shown, const auto& kept) { shown = kept; };
    ReportColumns<Shown>::for_each(bind, v, reports_);
    LedgerColumns<Shown>::for_each(bind, v, ledger_);
    v.up = up_;
    v.estimates = &estimates_;
    v.prefixes = &prefixes_;
    return v;
  }
  [[nodiscard]] const Estimates& estimates() const { return estimates_; }
  [[nodiscard]] const Scenario& scenario() const { return scenario_; }
  [[nodiscard]] const std::vector<HandMadeNode>& nodes() const { return nodes_; }
  /// A mask in which everything is legal: nodes, hold, reject.
  [[nodiscard]] std::vector<std::uint8_t> all_legal() const {
    return std::vector<std::uint8_t>(nodes_.size() + 2, 1);
  }

 private:
  /// Appends a node. Columns that HandMadeNode does not describe are 0.
  void add(const HandMadeNode& node) {
    const auto append = [](const char*, auto& column) { column.emplace_back(); };
    ReportColumns<Kept>::for_each(append, reports_);
    LedgerColumns<Kept>::for_each(append, ledger_);
    reports_.running.back() = node.running;
    reports_.waiting.back() = node.waiting;
    reports_.kv_use.back() = node.kv_use;
    ledger_.in_flight.back() = node.in_flight;
    ledger_.awaiting_first.back() = node.awaiting_first;
    ledger_.awaiting_tokens.back() = node.awaiting_tokens;
    ledger_.prompt_tokens.back() = node.prompt_tokens;
    ledger_.predicted_tokens.back() = node.predicted_tokens;
    ledger_.first_token_us.back() = static_cast<std::int64_t>(node.first_token_s * 1e6 + 0.5);
    up_.push_back(node.up ? 1 : 0);
    prefixes_.sent(node_id(up_.size() - 1), {&kSharedPrompt, 1}, node.prefix_blocks);
  }

  std::vector<HandMadeNode> nodes_;
  Scenario scenario_;
  Estimates estimates_;
  PrefixIndex prefixes_;
  ReportColumns<Kept> reports_;
  LedgerColumns<Kept> ledger_;
  std::vector<std::uint8_t> up_;
};

}  // namespace yardmaster::testing
