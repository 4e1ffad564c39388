#include "policies/policy.h"

namespace yardmaster {
namespace {

// Nodes in turn: the score is the cyclic distance from the node after the last one sent to. No
// ties. The turn is read from the view, so a fork cannot advance it.
class RoundRobin final : public DispatchPolicy {
 public:
  [[nodiscard]] bool reads_reports() const override { return false; }
  void score(const TaskView&, const FleetView& view, std::span<const std::uint8_t>, Draw,
             std::span<double> scores) const override {
    const std::size_t first = view.last_sent == kNoNode ? 0 : index(view.last_sent) + 1;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = static_cast<double>(i >= first ? i - first : i + scores.size() - first);
    }
  }
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_round_robin(Knobs&) { return std::make_unique<RoundRobin>(); }

}  // namespace yardmaster
