// Tabular Q-learning (Watkins and Dayan, Machine Learning 8, 1992) over which rule decides.
//
// An action is a dispatch rule, not a node, so a table runs on any fleet. It is the floor for other
// learners: few states, and no generalisation between them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/base/random.h"
#include "env/view/fleet_view.h"
#include "env/view/task_view.h"
#include "policies/policy.h"

namespace yardmaster {

/// Estimates of the best discounted reward for each state and action, and the rule that learns
/// them.
class QTable {
 public:
  QTable() = default;
  QTable(std::size_t states, std::size_t actions);

  [[nodiscard]] std::size_t states() const { return actions_ == 0 ? 0 : values_.size() / actions_; }
  [[nodiscard]] std::size_t actions() const { return actions_; }
  [[nodiscard]] double value(std::size_t state, std::size_t action) const {
    return values_[state * actions_ + action];
  }
  [[nodiscard]] std::uint32_t visits(std::size_t state, std::size_t action) const {
    return visits_[state * actions_ + action];
  }
  /// The action of the highest value among those tried in this state; `otherwise` if none was.
  [[nodiscard]] std::size_t best(std::size_t state, std::size_t otherwise) const;
  /// With probability epsilon any action; else an untried one, the lowest, or the best.
  [[nodiscard]] std::size_t explore(std::size_t state, double epsilon, const Draw& draw) const;
  /// Moves Q(state, action) towards reward + discount * max Q(next, .). The step size is
  /// (1 + visits)^(-3/4): its sum diverges and the sum of its squares does not, as convergence
  /// requires.
  void update(std::size_t state, std::size_t action, double reward, double discount,
              std::size_t next);
  /// For reading a checkpoint.
  void set(std::size_t state, std::size_t action, double value, std::uint32_t visits);

 private:
  std::size_t actions_ = 0;
  std::vector<double> values_;         // [state][action]
  std::vector<std::uint32_t> visits_;  // [state][action]
};

/// The state of a decision: one of kTabularStates, from five coarse facts,
///   size    predicted output tokens          below 128, below 512, more
///   load    in flight over service rate, s   below 2, below 6, below 15, more
///   spread  largest over mean work ahead     below 1.5, below 2.5, more
///   memory  largest KV use                   below 0.5, below 0.85, more
///   health  nodes that are down              none, some
inline constexpr std::size_t kTabularStates = std::size_t{3} * 4 * 3 * 3 * 2;
std::size_t tabular_state(const TaskView&, const FleetView&);

/// The rules that a table chooses from, and the one that decides in a state not seen in training.
inline constexpr std::array<std::string_view, 6> kTabularRules = {
    "join_shortest_queue",     "power_of_two",    "least_kv_use",
    "shortest_expected_delay", "earliest_finish", "marginal_cost"};
inline constexpr std::size_t kTabularFallback = 5;

/// A table and the names of its actions.
struct TabularAgent {
  QTable table;
  std::vector<std::string> rules;
};

/// The greedy policy of a table. Throws std::invalid_argument if a rule is unknown.
std::unique_ptr<DispatchPolicy> make_tabular_policy(const TabularAgent&);

}  // namespace yardmaster
