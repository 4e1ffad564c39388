#include "env/scenario/capacity.h"

#include <algorithm>
#include <vector>

#include "env/node/solo_node.h"

namespace yardmaster {

namespace {

// The requests of the workload that fit the node, one after another, without their times.
class Requests {
 public:
  Requests(const NodeSettings& settings, const Workload& workload)
      : settings_(settings), workload_(workload), cursors_(workload.tenants.size()) {
    for (const Tenant& tenant : workload.tenants) {
      total_share_ += tenant.share;
    }
  }

  /// False if none of the next ten thousand fits.
  bool next(Request& request) {
    constexpr int kTries = 10'000;
    for (int i = 0; i < kTries; ++i, ++count_) {
      const TaskSizes sizes = draw();
      if (sizes.prompt_tokens + sizes.max_tokens <= settings_.rules.max_model_len) {
        request = Request{};
        request.spec.address = {0, count_++, 0, 0, 0, 0};
        request.spec.prompt_tokens = sizes.prompt_tokens;
        request.spec.output_tokens = sizes.output_tokens;
        return true;
      }
    }
    return false;
  }

 private:
  TaskSizes draw() {
    if (!workload_.trace.empty()) {
      const TraceRow& row = workload_.trace[count_ % workload_.trace.size()];
      const std::int32_t limit = row.max_tokens > 0 ? row.max_tokens : row.output_tokens;
      return {row.prompt_tokens, row.output_tokens, row.output_tokens, limit, row.path};
    }
    double u = Draw{kSeed, Purpose::episode, object_address(0, count_)}.uniform() * total_share_;
    std::uint32_t tenant = 0;
    while (tenant + 1 < workload_.tenants.size() && u > workload_.tenants[tenant].share) {
      u -= workload_.tenants[tenant++].share;
    }
    cursors_[tenant].count = count_;
    return task_sizes(cursors_[tenant], workload_, tenant, kSeed);
  }

  static constexpr Seed kSeed{0xCA9AC117};  // any fixed seed: capacity belongs to no run
  const NodeSettings& settings_;
  const Workload& workload_;
  std::vector<ArrivalCursor> cursors_;  // [tenant]
  double total_share_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace

double saturated_rate(const NodeSettings& settings, const Workload& workload) {
  // As many clients as there are seats and some to queue. Each sends its next request when the last
  // one ends.
  const int clients = settings.rules.max_num_seqs + 64;
  const int warm_up = 2 * clients;  // by then the burst of the start has dissolved
  const int measured = std::max(2'000, 4 * clients);
  Requests source(settings, workload);
  SoloNode node(settings, static_cast<std::size_t>(clients));
  for (int i = 0; i < clients; ++i) {
    const auto task = static_cast<TaskSlot>(i);
    if (!source.next(node.request(task))) {
      return 0;
    }
    node.deliver(task, Time{0});
  }
  Time began;
  int finished = 0;
  for (;;) {
    for (const NodeOutput& o : node.advance()) {
      if (o.kind != NodeOutput::Kind::finished) {
        continue;
      }
      if (++finished == warm_up) {
        began = o.at;
      } else if (finished == warm_up + measured) {
        return measured / (o.at - began).seconds();
      }
      source.next(node.request(o.task));
      node.deliver(o.task, o.at);
    }
  }
}

}  // namespace yardmaster
