#include "policies/policy.h"

namespace yardmaster {
namespace {

// Earliest predicted end of the task itself: wait, prefill, decode at the batch it joins; ties by
// draw. The node choice of HEFT for one task (Topcuoglu, Hariri, Wu, TPDS 13, 2002), in tokens.
class EarliestFinish final : public DispatchPolicy {
 public:
  [[nodiscard]] bool reads_reports() const override { return false; }
  void score(const TaskView& task, const FleetView& view, std::span<const std::uint8_t>, Draw,
             std::span<double> scores) const override {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = view.estimates->finish_s(node_id(i), task, view);
    }
  }
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_earliest_finish(Knobs&) {
  return std::make_unique<EarliestFinish>();
}

}  // namespace yardmaster
