#include "policies/policy.h"

namespace yardmaster {
namespace {

// (requests in flight + 1) / saturated requests per second of the node; ties by draw.
// Shortest expected delay: join the shortest queue, weighted by speed (Whitt, Operations Research
// 34, 1986).
class ShortestExpectedDelay final : public DispatchPolicy {
 public:
  [[nodiscard]] bool reads_reports() const override { return false; }
  void score(const TaskView&, const FleetView& view, std::span<const std::uint8_t>, Draw,
             std::span<double> scores) const override {
    const std::span<const double> rates = view.estimates->service_rates();
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = (view.in_flight[i] + 1) / rates[i];
    }
  }
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_shortest_expected_delay(Knobs&) {
  return std::make_unique<ShortestExpectedDelay>();
}

}  // namespace yardmaster
