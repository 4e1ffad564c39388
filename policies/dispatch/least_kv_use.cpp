#include "policies/policy.h"

namespace yardmaster {
namespace {

// Smallest share of KV blocks in use, as last reported; ties by draw.
// AIBrix `least-kv-cache`. It trusts stale reports, so it shows what herding costs.
class LeastKvUse final : public DispatchPolicy {
 public:
  void score(const TaskView&, const FleetView& view, std::span<const std::uint8_t>, Draw,
             std::span<double> scores) const override {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = static_cast<double>(view.kv_use[i]);
    }
  }
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_least_kv_use(Knobs&) { return std::make_unique<LeastKvUse>(); }

}  // namespace yardmaster
