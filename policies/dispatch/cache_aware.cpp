#include <algorithm>
#include <limits>

#include "policies/policy.h"

namespace yardmaster {
namespace {

// If the fleet is out of balance, the fewest requests in flight. Otherwise, the longest prefix of
// the prompt in the node's cache if it is long enough, or else the fewest cached blocks. Ties by
// draw. `cache_aware` of SGLang's router, now SMG (lightseekorg/smg, August 2026); names and
// defaults are those of its command line.
class CacheAware final : public DispatchPolicy {
 public:
  explicit CacheAware(Knobs& knobs)
      : match_threshold_(knobs.get({.name = "match_threshold",
                                    .value = 0.3,
                                    .min = 0,
                                    .max = 1,
                                    .doc = "share of the prompt above which a prefix decides"})),
        balance_abs_(knobs.get({.name = "balance_abs",
                                .value = 64,
                                .min = 0,
                                .max = 10'000,
                                .doc = "out of balance if most - fewest requests in flight exceeds "
                                       "this ..."})),
        balance_rel_(knobs.get({.name = "balance_rel",
                                .value = 1.5,
                                .min = 1,
                                .max = 1000,
                                .doc = "... and most exceeds this many times fewest"})) {}

  void score(const TaskView& task, const FleetView& view, std::span<const std::uint8_t> legal, Draw,
             std::span<double> scores) const override {
    if (out_of_balance(view, legal)) {
      std::copy(view.in_flight.begin(), view.in_flight.end(), scores.begin());
      return;
    }
    view.prefix_hit_tokens(task, scores);
    double longest = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      longest = legal[i] != 0 ? std::max(longest, scores[i]) : longest;
    }
    const bool matches = longest > match_threshold_ * task.prompt_tokens;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = matches ? -scores[i] : view.prefix_blocks(node_id(i));
    }
  }

 private:
  [[nodiscard]] bool out_of_balance(const FleetView& view,
                                    std::span<const std::uint8_t> legal) const {
    std::int32_t least = std::numeric_limits<std::int32_t>::max(), most = 0;
    for (std::size_t i = 0; i < view.nodes(); ++i) {
      if (legal[i] != 0) {
        least = std::min(least, view.in_flight[i]);
        most = std::max(most, view.in_flight[i]);
      }
    }
    return most - least > balance_abs_ && most > balance_rel_ * least;
  }

  double match_threshold_;
  double balance_abs_;
  double balance_rel_;
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_cache_aware(Knobs& knobs) {
  return std::make_unique<CacheAware>(knobs);
}

}  // namespace yardmaster
