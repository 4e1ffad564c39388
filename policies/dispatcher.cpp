#include <limits>

#include "policies/policy.h"

namespace yardmaster {

NodeId best_node(std::span<const double> scores, std::span<const std::uint8_t> legal, Draw draw) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // Without branches: most scores are no candidates, and nobody can tell which.
  double best = kInfinity;
  std::uint32_t ties = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    double score = kInfinity;
    if (legal[i] != 0) {
      score = scores[i];
    }
    const bool better = score < best;
    const bool chosen = better | (score == best);
    ties = (better ? 0 : ties) + (chosen ? 1 : 0);
    last = chosen ? i : last;
    best = better ? score : best;
  }
  if (best == kInfinity) {
    return kNoNode;
  }
  if (ties == 1) {
    return node_id(last);
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
