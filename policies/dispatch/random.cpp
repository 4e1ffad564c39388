#include <algorithm>

#include "policies/policy.h"

namespace yardmaster {
namespace {

// All scores are equal, so the draw for ties decides: uniform over the legal nodes. The floor of
// every comparison.
class Random final : public DispatchPolicy {
 public:
  [[nodiscard]] bool reads_reports() const override { return false; }
  void score(const TaskView&, const FleetView&, std::span<const std::uint8_t>, Draw,
             std::span<double> scores) const override {
    std::fill(scores.begin(), scores.end(), 0.0);
  }
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_random(Knobs&) { return std::make_unique<Random>(); }

}  // namespace yardmaster
