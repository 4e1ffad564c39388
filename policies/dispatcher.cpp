#include <limits>

#include "policies/policy.h"

namespace yardmaster {

NodeId best_node(std::span<const double> scores, std::span<const std::uint8_t> legal, Draw draw) {
  double best = std::numeric_limits<double>::infinity();
  std::uint32_t ties = 0;
  NodeId chosen = kNoNode;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (legal[i] == 0 || !(scores[i] <= best) ||
        scores[i] == std::numeric_limits<double>::infinity()) {
      continue;
    }
    ties = scores[i] < best ? 1 : ties + 1;
    best = scores[i];
    chosen = node_id(i);
  }
  if (ties < 2) {
    return chosen;
  }
  std::uint32_t skip = draw.below(ties);
  for (std::size_t i = 0;; ++i) {
    if (legal[i] != 0 && scores[i] == best && skip-- == 0) {
      return node_id(i);
    }
  }
}

Action Dispatcher::decide(Simulation& sim, const Decision& decision) {
  // Copied: view() may end the life of the decision's spans.
  const TaskView task = decision.task;
  const FleetView& view = sim.view();
  scores_.resize(view.nodes());
  // Addressed by the task, so that ties fall alike whatever was decided before.
  const Draw draw{seed_, Purpose::tie, task.address};
  policy_->score(task, view, decision.legal, draw, scores_);
  const NodeId best = best_node(scores_, decision.legal, draw);
  return best == kNoNode ? Action::hold(Time::never()) : Action::send(best);
}

}  // namespace yardmaster
