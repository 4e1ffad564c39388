#include "policies/policy.h"

namespace yardmaster {
namespace {

// Earliest arrival first; equal arrivals by readiness. A task that is retried keeps its place.
class FirstComeFirstServed final : public OrderingPolicy {
 public:
  [[nodiscard]] double key(const TaskView& task, const QueueView&) const override {
    return static_cast<double>(task.arrival.ps);
  }
};

}  // namespace

std::unique_ptr<OrderingPolicy> make_first_come_first_served(Knobs&) {
  return std::make_unique<FirstComeFirstServed>();
}

}  // namespace yardmaster
