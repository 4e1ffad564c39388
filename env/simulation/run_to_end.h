// Runs a world from its present state to its end.
#pragma once

#include "env/simulation/simulation.h"

namespace yardmaster {

/// Answers every decision with decide(world, decision), which returns an Action, until the world
/// ends. Rows and facts go to `observer`, if there is one.
template <class Decide>
void run_to_end(Simulation& world, Decide&& decide, Observer* observer = nullptr) {
  for (const Decision* decision = &world.advance(observer); decision->kind != DecisionKind::end;
       decision = &world.advance(observer)) {
    world.apply(decide(world, *decision));
  }
}

}  // namespace yardmaster
