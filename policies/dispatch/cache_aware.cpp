#include <algorithm>
#include <limits>

#include "policies/policy.h"

namespace yardmaster {
namespace {

// Defaults of SMG's command line (lightseekorg/smg, August 2026).
constexpr double kMatchThreshold = 0.3;   // share of the prompt
constexpr std::int32_t kBalanceAbs = 64;  // requests
constexpr double kBalanceRel = 1.5;       // times the least loaded node

// Fewest requests in flight if the fleet is out of balance; else the node that should have the
// longest prefix of the prompt, if that is a good part of it; else the one with the fewest blocks
// in its cache. Ties by draw. `cache_aware` of SGLang's router, now SMG.
class CacheAware final : public DispatchPolicy {
 public:
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
    const bool matches = longest > kMatchThreshold * task.prompt_tokens;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = matches ? -scores[i] : view.prefix_blocks(node_id(i));
    }
  }

 private:
  static bool out_of_balance(const FleetView& view, std::span<const std::uint8_t> legal) {
    std::int32_t least = std::numeric_limits<std::int32_t>::max(), most = 0;
    for (std::size_t i = 0; i < view.nodes(); ++i) {
      if (legal[i] != 0) {
        least = std::min(least, view.in_flight[i]);
        most = std::max(most, view.in_flight[i]);
      }
    }
    return most - least > kBalanceAbs && most > kBalanceRel * least;
  }
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_cache_aware() { return std::make_unique<CacheAware>(); }

}  // namespace yardmaster
