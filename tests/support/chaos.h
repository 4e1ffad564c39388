// A dispatcher that takes every kind of action: sends anywhere, holds, rejects, cancels. Its
// actions depend on the decision alone, so a copied world gets the same ones.
#pragma once

#include <vector>

#include "env/simulation/run_to_end.h"
#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/dice.h"

namespace yardmaster {

/// A value that belongs to one world and is copied with it.
struct Chaos {
  std::uint64_t seed = 1;
  bool cancels = true, holds = true;
  std::vector<TaskSlot> sent = {};

  /// Answers the decision, and sometimes cancels a task afterwards.
  void answer(Simulation& world, const Decision& decision, Observer* observer = nullptr) {
    Dice dice(mix64(seed) ^ mix64(decision.index));
    const TaskView task = decision.task;
    const std::vector<std::uint8_t> legal(decision.legal.begin(), decision.legal.end());
    if (dice.one_in(3)) {
      static_cast<void>(world.view());
    }
    world.apply(choose(dice, decision, legal));
    sent.push_back(task.slot);
    if (cancels && dice.one_in(12)) {
      const auto back = static_cast<std::size_t>(dice.between(1, 20));
      // Right after apply() no task is being decided.
      if (back <= sent.size()) {
        world.cancel(sent[sent.size() - back], observer);
      }
    }
  }

 private:
  Action choose(Dice& dice, const Decision& decision,
                const std::vector<std::uint8_t>& legal) const {
    const std::size_t nodes = legal.size() - 2;
    if (legal[nodes + 1] != 0 && dice.one_in(25)) {
      return Action::reject();
    }
    if (holds && dice.one_in(15)) {
      return Action::hold(dice.one_in(2)
                              ? Time::never()
                              : decision.now + Duration{dice.between(0, 2'000'000'000'000)});
    }
    const auto first =
        static_cast<std::size_t>(dice.between(0, static_cast<std::int64_t>(nodes) - 1));
    for (std::size_t i = 0; i < nodes; ++i) {
      const std::size_t n = (first + i) % nodes;
      if (legal[n] != 0) {
        return Action::send(node_id(n));
      }
    }
    return Action::hold(Time::never());
  }
};

/// Runs a world to its end under `chaos`, or until decision `stop`. Returns whether it ended.
inline bool run_chaos(Simulation& world, Chaos& chaos, std::uint64_t stop = ~std::uint64_t{0},
                      Observer* observer = nullptr) {
  for (;;) {
    const Decision& decision = world.advance(observer);
    if (decision.kind == DecisionKind::end) {
      return true;
    }
    if (decision.index >= stop) {
      return false;
    }
    chaos.answer(world, decision, observer);
  }
}

/// Runs a world to its end under a dispatch rule.
inline void run_policy(Simulation& world, const DispatchPolicy& policy, Seed seed,
                       Observer* observer = nullptr) {
  Dispatcher dispatcher(policy, seed);
  const auto decide = [&](Simulation& at, const Decision& decision) {
    return dispatcher.decide(at, decision);
  };
  run_to_end(world, decide, observer);
}

}  // namespace yardmaster
