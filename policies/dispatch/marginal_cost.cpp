#include "policies/policy.h"

namespace yardmaster {
namespace {

// The predicted end of the task plus the delay that it causes to the others on the node; ties by
// draw. The marginal cost of congestion (Pigou, 1920), for a shared batch; docs/policies.md has the
// terms and says why the weight is 1.
class MarginalCost final : public DispatchPolicy {
 public:
  explicit MarginalCost(Knobs& knobs)
      : delay_weight_(knobs.get({.name = "k",
                                 .value = 1,
                                 .min = 0,
                                 .max = 100,
                                 .doc = "weight of the delay to the others on the node"})) {}

  [[nodiscard]] bool reads_reports() const override { return false; }
  void score(const TaskView& task, const FleetView& view, std::span<const std::uint8_t>, Draw,
             std::span<double> scores) const override {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const Prediction p = view.estimates->predict(node_id(i), task, view);
      scores[i] = p.finish_s() + delay_weight_ * p.delay_to_others_s;
    }
  }

 private:
  double delay_weight_;
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_marginal_cost(Knobs& knobs) {
  return std::make_unique<MarginalCost>(knobs);
}

}  // namespace yardmaster
