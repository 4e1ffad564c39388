#include <algorithm>
#include <limits>
#include <numeric>

#include "policies/policy.h"

namespace yardmaster {
namespace {

// Of two legal nodes drawn without replacement, the one with fewer requests in flight; ties by
// draw. M. Mitzenmacher, The power of two choices, TPDS 12, 2001; the default of Ray Serve.
class PowerOfTwo final : public DispatchPolicy {
 public:
  [[nodiscard]] bool reads_reports() const override { return false; }
  void score(const TaskView&, const FleetView& view, std::span<const std::uint8_t> legal, Draw draw,
             std::span<double> scores) const override {
    std::fill(scores.begin(), scores.end(), std::numeric_limits<double>::infinity());
    const std::uint32_t candidates =
        std::accumulate(legal.begin(), legal.begin() + std::ssize(scores), 0U);
    if (candidates == 0) {
      return;
    }
    // Number 0 of the draw is the one that breaks ties.
    const std::uint32_t first = draw.below(candidates, 1);
    std::uint32_t second = first;
    if (candidates > 1) {
      second = draw.below(candidates - 1, 2);
      second += second >= first ? 1 : 0;
    }
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (legal[i] == 0) {
        continue;
      }
      if (rank == first || rank == second) {
        scores[i] = view.in_flight[i];
      }
      ++rank;
    }
  }
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_power_of_two() { return std::make_unique<PowerOfTwo>(); }

}  // namespace yardmaster
