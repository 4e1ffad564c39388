#include <limits>

#include "policies/policy.h"

namespace yardmaster {

NodeId best_node(std::span<const double> scores, std::span<const std::uint8_t> legal, Draw draw) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // Without branches, for most scores are no candidates and nobody can tell which; and in two
  // strands, for the next event waits for the choice.
  const auto score = [&](std::size_t i) {
    double s = kInfinity;
    if (legal[i] != 0) {
      s = scores[i];
    }
    return s;
  };
  const std::size_t nodes = scores.size();
  double even = kInfinity, odd = nodes % 2 == 1 ? score(nodes - 1) : kInfinity;
  for (std::size_t i = 0; i + 1 < nodes; i += 2) {
    const double a = score(i), b = score(i + 1);
    even = a < even ? a : even;
    odd = b < odd ? b : odd;
  }
  const double best = odd < even ? odd : even;
  if (best == kInfinity) {
    return kNoNode;
  }
  std::uint32_t ties = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    const bool is_best = score(i) == best;
    ties += is_best ? 1 : 0;
    last = is_best ? i : last;
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
