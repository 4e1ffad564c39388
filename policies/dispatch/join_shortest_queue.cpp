#include "policies/policy.h"

namespace yardmaster {
namespace {

// Fewest requests in flight (sent and not ended) by the dispatcher's own count; ties by draw.
// Gateways call it least request (AIBrix `least-request`).
class JoinShortestQueue final : public DispatchPolicy {
 public:
  [[nodiscard]] bool reads_reports() const override { return false; }
  void score(const TaskView&, const FleetView& view, std::span<const std::uint8_t>, Draw,
             std::span<double> scores) const override {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = view.in_flight[i];
    }
  }
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_join_shortest_queue(Knobs&) {
  return std::make_unique<JoinShortestQueue>();
}

}  // namespace yardmaster
