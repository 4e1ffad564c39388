#include "policies/policy.h"

namespace yardmaster {
namespace {

// Weight of the others' loss against the task's own time. 1 would be the sum that mean latency asks
// for if nothing came later.
constexpr double kOthersWeight = 1.0;

// The task's predicted end plus what all others on the node lose by its coming; ties by draw.
// Marginal-cost pricing of congestion; the terms are derived in docs/policies.md.
class MarginalCost final : public DispatchPolicy {
 public:
  void score(const TaskView& task, const FleetView& view, std::span<const std::uint8_t>, Draw,
             std::span<double> scores) const override {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const Prediction p = view.estimates->predict(node_id(i), task, view);
      scores[i] = p.finish() + kOthersWeight * p.others;
    }
  }
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_marginal_cost() { return std::make_unique<MarginalCost>(); }

}  // namespace yardmaster
