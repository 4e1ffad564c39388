#include <limits>

#include "policies/policy.h"

namespace yardmaster {

namespace {

/// The smallest score of some nodes, how many nodes have it, and the last of them. add() has no
/// branches, because which scores improve on the best is unpredictable.
struct Best {
  double score = std::numeric_limits<double>::infinity();
  std::size_t nodes = 0, last = 0;

  void add(std::size_t node, double candidate) {
    const bool better = candidate < score;
    const bool chosen = better | (candidate == score);
    nodes = (better ? 0 : nodes) + (chosen ? 1 : 0);
    last = chosen ? node : last;
    score = better ? candidate : score;
  }
};

}  // namespace

NodeId best_node(std::span<const double> scores, std::span<const std::uint8_t> legal, Draw draw) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto score = [&](std::size_t i) {
    double s = kInfinity;
    if (legal[i] != 0) {
      s = scores[i];
    }
    return s;
  };
  // Two independent chains, so that their comparisons overlap in the pipeline.
  Best best, other;
  const std::size_t pairs = scores.size() / 2 * 2;
  for (std::size_t i = 0; i < pairs; i += 2) {
    best.add(i, score(i));
    other.add(i + 1, score(i + 1));
  }
  if (pairs < scores.size()) {
    best.add(pairs, score(pairs));
  }
  if (other.score < best.score) {
    best = other;
  } else if (other.score == best.score) {
    best.nodes += other.nodes;
  }
  if (best.score == kInfinity) {
    return kNoNode;
  }
  if (best.nodes == 1) {
    return node_id(best.last);
  }
  std::uint32_t skip = draw.below(static_cast<std::uint32_t>(best.nodes));
  for (std::size_t i = 0;; ++i) {
    if (score(i) == best.score && skip-- == 0) {
      return node_id(i);
    }
  }
}

Action Dispatcher::decide(Simulation& sim, const Decision& decision) {
  // A copy, because view() may invalidate the decision's spans.
  const TaskView task = decision.task;
  const FleetView& view = sim.view();
  scores_.resize(view.nodes());
  // Addressed by the task, so ties resolve alike whatever was decided before.
  const Draw draw{seed_, Purpose::tie, task.address};
  policy_->score(task, view, decision.legal, draw, scores_);
  const NodeId best = best_node(scores_, decision.legal, draw);
  return best == kNoNode ? Action::hold(Time::never()) : Action::send(best);
}

}  // namespace yardmaster
