#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "policies/policy.h"

namespace yardmaster {
namespace {

constexpr std::size_t kMostChoices = 16;

// Of two legal nodes drawn without replacement, the one with fewer requests in flight; ties by
// draw. M. Mitzenmacher, The power of two choices, TPDS 12, 2001; the default of Ray Serve.
class PowerOfTwo final : public DispatchPolicy {
 public:
  explicit PowerOfTwo(Knobs& knobs)
      : choices_(static_cast<std::uint32_t>(knobs.whole({.name = "choices",
                                                         .value = 2,
                                                         .min = 1,
                                                         .max = kMostChoices,
                                                         .doc = "nodes drawn per task"}))) {}

  [[nodiscard]] bool reads_reports() const override { return false; }
  void score(const TaskView&, const FleetView& view, std::span<const std::uint8_t> legal, Draw draw,
             std::span<double> scores) const override {
    std::fill(scores.begin(), scores.end(), std::numeric_limits<double>::infinity());
    const std::uint32_t candidates =
        std::accumulate(legal.begin(), legal.begin() + std::ssize(scores), 0U);
    std::array<std::uint32_t, kMostChoices> drawn{};  // ranks among the candidates, ascending
    const std::uint32_t count = std::min(choices_, candidates);
    for (std::uint32_t k = 0; k < count; ++k) {
      // The rank among those that are left. Number 0 of the draw resolves ties.
      std::uint32_t rank = draw.below(candidates - k, k + 1);
      std::uint32_t place = 0;
      for (; place < k && drawn[place] <= rank; ++place) {
        ++rank;
      }
      std::copy_backward(drawn.begin() + place, drawn.begin() + k, drawn.begin() + k + 1);
      drawn[place] = rank;
    }
    std::uint32_t rank = 0, next = 0;
    for (std::size_t i = 0; i < scores.size() && next < count; ++i) {
      if (legal[i] != 0 && rank++ == drawn[next]) {
        scores[i] = view.in_flight[i];
        ++next;
      }
    }
  }

 private:
  std::uint32_t choices_;
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_power_of_two(Knobs& knobs) {
  return std::make_unique<PowerOfTwo>(knobs);
}

}  // namespace yardmaster
