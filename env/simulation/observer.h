// Where finished rows go. An observer is handed to each call of Simulation::advance; forks pass
// none.
#pragma once

#include <array>
#include <cstdint>

#include "env/base/digest.h"
#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/node/request.h"

namespace yardmaster {

/// How a task ended.
enum class Outcome : std::uint8_t { finished, rejected_too_long, rejected_by_policy, cancelled };
inline constexpr std::size_t kOutcomeCount = 4;
inline constexpr std::array<const char*, kOutcomeCount> kOutcomeNames = {
    "finished", "rejected_too_long", "rejected_by_policy", "cancelled"};

/// One task, when it has ended. Times are as the client sees them (network included).
struct TaskRow {
  TaskAddress address;    // attempt: the one that ended it
  NodeId node = kNoNode;  // that served it
  Outcome outcome = Outcome::finished;
  std::uint16_t preemptions = 0;
  std::int32_t prompt_tokens = 0, output_tokens = 0, predicted_tokens = 0;
  Time arrival, first_scheduled, first_token, last_token;  // never() where it did not happen
  Moments moments;                 // sum to last_token - arrival when finished
  std::int32_t shared_tokens = 0;  // of the prompt, whole blocks that other requests have too
};

/// Receives rows as tasks end, in simulated order, and facts if it requests them.
class Observer : public FactSink {
 public:
  virtual void on_task(const TaskRow&) = 0;
  /// Called for every fact of the digest when `wants_facts()`.
  void on_fact(Fact, const TaskAddress&, NodeId, Time) override {}
  [[nodiscard]] virtual bool wants_facts() const { return false; }
};

}  // namespace yardmaster
