#include "agents/tabular_q.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "env/base/check.h"

namespace yardmaster {
namespace {

template <std::size_t kEdges>
std::size_t bin(double x, const std::array<double, kEdges>& edges) {
  std::size_t i = 0;
  while (i < kEdges && x >= edges[i]) {
    ++i;
  }
  return i;
}

class TabularPolicy final : public DispatchPolicy {
 public:
  explicit TabularPolicy(const TabularAgent& agent) : table_(agent.table) {
    for (const std::string& name : agent.rules) {
      rules_.push_back(make_dispatch(name));
      if (name == kTabularRules[kTabularFallback]) {
        fallback_ = rules_.size() - 1;
      }
    }
  }

  void score(const TaskView& task, const FleetView& fleet, std::span<const std::uint8_t> legal,
             Draw draw, std::span<double> scores) const override {
    const std::size_t rule = table_.best(tabular_state(task, fleet), fallback_);
    rules_[rule]->score(task, fleet, legal, draw, scores);
  }

 private:
  QTable table_;
  std::vector<std::unique_ptr<DispatchPolicy>> rules_;
  std::size_t fallback_ = 0;
};

}  // namespace

QTable::QTable(std::size_t states, std::size_t actions)
    : actions_(actions), values_(states * actions, 0.0), visits_(states * actions, 0) {}

std::size_t QTable::best(std::size_t state, std::size_t otherwise) const {
  std::size_t chosen = otherwise;
  bool found = false;
  for (std::size_t a = 0; a < actions_; ++a) {
    if (visits(state, a) > 0 && (!found || value(state, a) > value(state, chosen))) {
      chosen = a;
      found = true;
    }
  }
  return chosen;
}

std::size_t QTable::explore(std::size_t state, double epsilon, const Draw& draw) const {
  if (draw.uniform(0) < epsilon) {
    return draw.below(static_cast<std::uint32_t>(actions_), 1);
  }
  for (std::size_t a = 0; a < actions_; ++a) {
    if (visits(state, a) == 0) {
      return a;
    }
  }
  return best(state, 0);
}

void QTable::update(std::size_t state, std::size_t action, double reward, double discount,
                    std::size_t next) {
  const std::size_t at = state * actions_ + action;
  const std::size_t follow = best(next, actions_);
  const double target = reward + (follow == actions_ ? 0.0 : discount * value(next, follow));
  // sqrt is exact on every machine, which pow is not.
  const double root = std::sqrt(1.0 + visits_[at]);
  values_[at] += (target - values_[at]) / (root * std::sqrt(root));
  ++visits_[at];
}

void QTable::set(std::size_t state, std::size_t action, double value, std::uint32_t visits) {
  values_[state * actions_ + action] = value;
  visits_[state * actions_ + action] = visits;
}

std::size_t tabular_state(const TaskView& task, const FleetView& fleet) {
  double in_flight = 0, rate = 0, work = 0, most_work = 0, most_kv = 0;
  std::size_t down = 0;
  for (std::size_t i = 0; i < fleet.nodes(); ++i) {
    const double ahead = fleet.estimates->work_ahead(node_id(i), fleet);
    in_flight += fleet.in_flight[i];
    rate += fleet.estimates->service_rate(node_id(i));
    work += ahead;
    most_work = std::max(most_work, ahead);
    most_kv = std::max(most_kv, static_cast<double>(fleet.kv_use[i]));
    down += fleet.up[i] == 0 ? 1 : 0;
  }
  const double mean_work = work / static_cast<double>(fleet.nodes());
  const std::size_t size = bin(task.predicted_tokens, std::array{128.0, 512.0});
  const std::size_t load = bin(in_flight / std::max(rate, 1e-6), std::array{2.0, 6.0, 15.0});
  const std::size_t spread = bin(mean_work > 0 ? most_work / mean_work : 1.0, std::array{1.5, 2.5});
  const std::size_t memory = bin(most_kv, std::array{0.5, 0.85});
  return (((size * 4 + load) * 3 + spread) * 3 + memory) * 2 + (down > 0 ? 1 : 0);
}

std::unique_ptr<DispatchPolicy> make_tabular_policy(const TabularAgent& agent) {
  return std::make_unique<TabularPolicy>(agent);
}

}  // namespace yardmaster
