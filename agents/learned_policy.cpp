// A checkpoint as a dispatch policy: observation, network, base rule, one score per node.
#include <algorithm>
#include <utility>

#include "agents/checkpoint.h"
#include "env/rl/observation.h"

namespace yardmaster {
namespace {

class NetworkPolicy final : public DispatchPolicy {
 public:
  NetworkPolicy(NetworkAgent agent, double scale_s, std::unique_ptr<DispatchPolicy> base)
      : agent_(std::move(agent)), seconds_(agent_.lambda * scale_s), base_(std::move(base)) {}

  void score(const TaskView& task, const FleetView& fleet, std::span<const std::uint8_t> legal,
             Draw draw, std::span<double> scores) const override {
    if (base_ != nullptr) {
      base_->score(task, fleet, legal, draw, scores);
    } else {
      std::fill(scores.begin(), scores.end(), 0.0);
    }
    if (seconds_ == 0) {
      return;  // the line search rejected the network: this is the base rule, at its price
    }
    const std::size_t nodes = scores.size();
    const ObservationSpec& columns = agent_.columns;
    ObservationScratch scratch;
    std::vector<float> buffer(nodes * (columns.node_width() + 1) + columns.shared_width());
    const std::span<float> all(buffer);
    const std::span<float> rows = all.first(nodes * columns.node_width());
    const std::span<float> shared = all.subspan(rows.size(), columns.shared_width());
    const std::span<float> f = all.last(nodes);
    columns.write(task, fleet, legal,
                  {rows, shared.first(columns.task_width()), shared.last(columns.fleet_width())},
                  scratch);
    agent_.node.apply(rows, rows);
    agent_.shared.apply(shared, shared);
    score_nodes(agent_.weights, rows, shared, f);
    for (std::size_t n = 0; n < nodes; ++n) {
      scores[n] -= seconds_ * static_cast<double>(f[n]);
    }
  }

 private:
  NetworkAgent agent_;
  double seconds_;  // the worth of one unit of f
  std::unique_ptr<DispatchPolicy> base_;
};

}  // namespace

std::unique_ptr<DispatchPolicy> make_learned_policy(const Checkpoint& c) {
  try {
    if (c.tabular) {
      return make_tabular_policy(*c.tabular);
    }
    if (!c.network) {
      throw std::invalid_argument("the checkpoint holds no agent");
    }
    std::unique_ptr<DispatchPolicy> base =
        c.network->base.empty() ? nullptr : make_dispatch(c.network->base);
    return std::make_unique<NetworkPolicy>(*c.network, c.scale_s, std::move(base));
  } catch (const std::invalid_argument& fault) {
    throw CheckpointError(fault.what());
  }
}

}  // namespace yardmaster
