#include "env/simulation/decision_desk.h"

namespace yardmaster {

DecisionDesk::DecisionDesk(const Scenario& scenario)
    : open_(scenario.nodes() + 2),
      fitting_(scenario.nodes() + 2),
      may_reject_(scenario.dispatch.allow_rejection) {
  for (std::size_t n = 0; n < scenario.nodes(); ++n) {
    limits_.push_back(scenario.kind(node_id(n)).settings.rules.max_model_len);
  }
  const auto [shortest, longest] = std::minmax_element(limits_.begin(), limits_.end());
  shortest_limit_ = *shortest;
  longest_limit_ = *longest;
  for (std::vector<std::uint8_t>* legal : {&open_, &fitting_}) {
    (*legal)[scenario.nodes()] = 1;  // holding is always legal
    (*legal)[scenario.nodes() + 1] = may_reject_ ? 1 : 0;
  }
}

void DecisionDesk::remove(TaskSlot slot) {
  ready_.remove(slot);
  std::erase_if(held_, [slot](const auto& held) { return held.first == slot; });
}

bool DecisionDesk::offer(const TaskSpec& task) {
  const std::int32_t tokens = tokens_of(task);
  all_nodes_fit_ = tokens <= shortest_limit_;
  if (all_nodes_fit_) {
    return open_nodes_ > 0 || may_reject_;
  }
  bool any = may_reject_;
  for (std::size_t n = 0; n < limits_.size(); ++n) {
    fitting_[n] = open_[n] != 0 && tokens <= limits_[n] ? 1 : 0;
    any = any || fitting_[n] != 0;
  }
  return any;
}

}  // namespace yardmaster
