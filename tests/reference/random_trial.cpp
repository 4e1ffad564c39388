#include "tests/reference/random_trial.h"

#include <algorithm>
#include <sstream>

#include "tests/support/dice.h"
#include "tests/unit/hardware/specimens.h"

namespace yardmaster::reference {
namespace {

/// Costs on a coarse grid of time, where events coincide; costs so odd that none do; or costs by
/// formula or tables.
StepCost random_cost(Dice& dice, const NodeSettings& n) {
  const StepLimits limits{n.rules.max_num_seqs, n.rules.max_num_batched_tokens};
  if (dice.one_in(4)) {
    const double slow = dice.one_in(2) ? 1.0 : 2.7;
    return limits.max_num_batched_tokens % 2 == 0
               ? StepCost(specimens::gpu(), specimens::model(), specimens::engine(), 1, limits,
                          slow)
               : StepCost(specimens::profile(), specimens::gpu(), specimens::model(),
                          specimens::engine(), limits, slow);
  }
  if (dice.one_in(3)) {  // a grid: many events in the same instant
    return StepCost::affine({1000 * dice.between(1, 3)}, {0}, {0}, {0}, limits);
  }
  const auto odd = [&](std::int64_t scale) {
    return Duration{dice.one_in(3) ? 0 : dice.between(1, scale)};
  };
  return StepCost::affine({dice.between(1, 20'000'000)}, odd(300'000), odd(90'000), odd(700),
                          limits);
}

/// Settings that are not an engine's default, each in some trials.
void random_rules(Dice& dice, NodeSettings& n) {
  n.rules.policy = dice.one_in(3) ? QueuePolicy::priority : QueuePolicy::fcfs;
  n.rules.long_prefill_token_threshold = dice.one_in(3) ? dice.pick({1, 5, 16, 40, 100}) : 0;
  n.rules.watermark_blocks = dice.one_in(4) ? dice.pick({1, 2, 5}) : 0;
  n.rules.reserve_full_isl = !dice.one_in(4);
  n.rules.engine.cap_binds_lone_request = dice.one_in(2);
  n.rules.recomputed_output_is_context = dice.one_in(2);
  n.rules.enable_prefix_caching = dice.one_in(2);
  n.rules.engine.freed_blocks_to_back = dice.one_in(3);
  // Requests larger than memory: they wait forever, or retry forever without reserve_full_isl.
  if (n.rules.reserve_full_isl && dice.one_in(10)) {
    n.grant.blocks = std::max(1, n.grant.blocks / 2);
  }
}

NodeSettings random_settings(Dice& dice) {
  NodeSettings n;
  n.rules.max_num_seqs = dice.pick({1, 2, 3, 5, 8, 16, 64});
  n.rules.max_num_batched_tokens =
      n.rules.max_num_seqs + dice.pick({0, 1, 3, 16, 40, 100, 256, 1000}) * dice.tokens(0, 1) +
      dice.tokens(0, 30);
  n.rules.max_model_len = dice.pick({20, 33, 64, 100, 160, 300, 1000});
  n.grant.blocks = blocks_for(n.rules.max_model_len) + dice.pick({0, 0, 1, 2, 5, 20, 500});
  n.rules.steps_in_flight = dice.tokens(1, 2);
  n.rules.response_latency = {dice.pick({0, 0, 1000, 1'234'567})};
  random_rules(dice, n);
  const StepCost normal = random_cost(dice, n), slowed = random_cost(dice, n);
  n.costs = CostBook(normal, slowed);
  return n;
}

/// A length in [1, most]: any, small, large, or near a block boundary.
std::int32_t random_length(Dice& dice, std::int32_t most) {
  switch (dice.between(0, 3)) {
    case 0:
      return dice.tokens(1, most);
    case 1:
      return dice.tokens(1, std::min(most, 12));
    case 2:
      return std::clamp(16 * dice.tokens(1, 8) + dice.tokens(-1, 1), 1, most);
    default:
      return dice.tokens(std::max(1, most - 20), most);
  }
}

ScriptEvent random_delivery(Dice& dice, const NodeSettings& n, bool decodes_only, bool stops,
                            Time at) {
  ScriptEvent event;
  event.at = event.arrives = at;
  event.prompt_tokens =
      decodes_only ? dice.tokens(1, 3) : random_length(dice, n.rules.max_model_len - 1);
  event.output_tokens = random_length(dice, n.rules.max_model_len - event.prompt_tokens);
  event.stop_token = stops && dice.one_in(2);
  event.priority = dice.tokens(0, 3);
  return event;
}

/// Gives the new request the blocks of an earlier one as far as they reach, then new ones. This
/// yields conversations, copies in lockstep and branches.
void share_blocks(Dice& dice, std::vector<std::vector<BlockHash>>& texts, BlockHash& next,
                  ScriptEvent& event) {
  const auto blocks =
      static_cast<std::size_t>((event.prompt_tokens + event.output_tokens) / kBlockTokens);
  if (!texts.empty() && !dice.one_in(4)) {
    const auto last = static_cast<std::int64_t>(texts.size()) - 1;
    event.blocks = texts[static_cast<std::size_t>(dice.between(0, last))];
    if (dice.one_in(2)) {
      event.blocks.resize(static_cast<std::size_t>(
          dice.between(0, static_cast<std::int64_t>(event.blocks.size()))));
    }
  }
  event.blocks.resize(std::min(event.blocks.size(), blocks));
  while (event.blocks.size() < blocks) {
    event.blocks.push_back(++next);
  }
  texts.push_back(event.blocks);
}

}  // namespace

Trial random_trial(std::uint64_t seed, bool mishaps) {
  Dice dice(seed);
  std::vector<std::vector<BlockHash>> texts;
  BlockHash next_block = 0;
  Trial trial;
  trial.seed = seed;
  NodeSettings& n = trial.settings = random_settings(dice);
  const Duration step = n.cost(0).decode(1, 20).first;
  const bool decodes_only = dice.one_in(5), flights = dice.one_in(3), grid = dice.one_in(3),
             stops = dice.one_in(3);
  const bool crashes = mishaps && dice.one_in(2), cancels = mishaps && dice.one_in(2),
             slows = mishaps && dice.one_in(2);
  const std::int64_t spread =
      dice.pick<std::int64_t>({0, 1, 4, 30, 200});  // steps between deliveries
  const std::int64_t requests = dice.pick<std::int64_t>({1, 2, 3, 6, 20, 60});
  Time now{0};
  std::vector<RequestId> sent;
  while (static_cast<std::int64_t>(sent.size()) < requests) {
    if (!dice.one_in(3)) {
      now = now +
            (grid ? step * dice.between(0, spread) : Duration{dice.between(0, spread * step.ps)});
    }
    ScriptEvent event = random_delivery(dice, n, decodes_only, stops, now);
    if (crashes && dice.one_in(12)) {
      event.kind = ScriptEvent::Kind::crash;
    } else if (slows && dice.one_in(6)) {
      event.kind = ScriptEvent::Kind::cost_level;
      event.level = dice.tokens(0, 1);
    } else if (cancels && !sent.empty() && dice.one_in(3)) {
      event.kind = ScriptEvent::Kind::cancel;
      event.id =
          sent[sent.size() - 1 -
               static_cast<std::size_t>(dice.between(
                   0, std::min<std::int64_t>(5, static_cast<std::int64_t>(sent.size()) - 1)))];
    } else {
      event.id = static_cast<RequestId>(sent.size());
      if (n.rules.enable_prefix_caching) {
        share_blocks(dice, texts, next_block, event);
      }
      if (!n.rules.reserve_full_isl) {
        event.priority += event.id / 1000.0;  // two equal requests would evict each other forever
      }
      sent.push_back(event.id);
      if (flights) {
        event.arrives =
            now + (grid ? step * dice.between(0, 3) : Duration{dice.between(0, 3 * step.ps)});
      }
    }
    trial.script.push_back(event);
  }
  // Failures come before everything else of their instant.
  std::stable_sort(trial.script.begin(), trial.script.end(), [](const auto& a, const auto& b) {
    const bool first_a = a.kind == ScriptEvent::Kind::crash,
               first_b = b.kind == ScriptEvent::Kind::crash;
    return a.at != b.at ? a.at < b.at : first_a > first_b;
  });
  // A request cannot be cancelled before it was sent, not even in the same instant.
  std::vector<bool> seen(sent.size(), false);
  std::erase_if(trial.script, [&](const ScriptEvent& event) {
    if (event.kind == ScriptEvent::Kind::deliver) {
      seen[event.id] = true;
    }
    return event.kind == ScriptEvent::Kind::cancel && !seen[event.id];
  });
  return trial;
}

std::string describe(const Trial& trial) {
  const NodeSettings& n = trial.settings;
  std::ostringstream out;
  out << "seed " << trial.seed << ": max_num_seqs " << n.rules.max_num_seqs
      << ", max_num_batched_tokens " << n.rules.max_num_batched_tokens << ", max_model_len "
      << n.rules.max_model_len << ", usable_blocks " << n.grant.blocks << ", steps_in_flight "
      << n.rules.steps_in_flight << ", response_latency " << n.rules.response_latency.ps
      << (n.rules.policy == QueuePolicy::priority ? ", priority" : "")
      << ", long_prefill_token_threshold " << n.rules.long_prefill_token_threshold
      << (n.rules.engine.cap_binds_lone_request ? " for a lone one too" : "") << ", watermark "
      << n.rules.watermark_blocks << (n.rules.enable_prefix_caching ? ", caching" : "")
      << (n.rules.engine.freed_blocks_to_back ? " to the back" : "")
      << (n.rules.reserve_full_isl ? "" : ", reserve_full_isl off") << "\n";
  for (std::uint8_t i = 0; i < kSpeedLevels; ++i) {
    const Segment one = n.cost(i).decode(1, 0);
    out << "  cost " << int{i} << ": one decode " << one.first.ps << " + " << one.growth.ps
        << " a token\n";
  }
  constexpr const char* kNames[] = {"crash", "deliver", "cancel", "cost_level"};
  for (const ScriptEvent& e : trial.script) {
    out << "  " << e.at.ps << " " << kNames[static_cast<std::size_t>(e.kind)];
    if (e.kind == ScriptEvent::Kind::deliver) {
      out << " " << e.id << " arrives " << e.arrives.ps << " prompt " << e.prompt_tokens
          << " output " << e.output_tokens << (e.stop_token ? " stops" : "") << " priority "
          << e.priority << " blocks";
      for (const BlockHash block : e.blocks) {
        out << " " << block;
      }
    } else if (e.kind == ScriptEvent::Kind::cancel) {
      out << " " << e.id;
    } else if (e.kind == ScriptEvent::Kind::cost_level) {
      out << " " << e.level;
    }
    out << "\n";
  }
  return out.str();
}

}  // namespace yardmaster::reference
