#include "env/scenario/policy_list.h"

namespace yardmaster {

namespace {

bool sets_a_knob(const std::string& part) {
  const std::size_t equals = part.find('=');
  return equals != std::string::npos && part.find_first_of("/.:") > equals;
}

bool has_knobs(const std::string& policy) {
  const std::size_t colon = policy.find(':');
  return colon != std::string::npos && sets_a_knob(policy.substr(colon + 1));
}

}  // namespace

std::vector<std::string> join_knobs(std::span<const std::string> parts) {
  std::vector<std::string> policies;
  for (const std::string& part : parts) {
    if (!policies.empty() && has_knobs(policies.back()) && sets_a_knob(part)) {
      policies.back() += "," + part;
    } else {
      policies.push_back(part);
    }
  }
  return policies;
}

}  // namespace yardmaster
