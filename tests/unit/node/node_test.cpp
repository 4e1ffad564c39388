#include "env/node/node.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace yardmaster {
namespace {

constexpr TaskSlot kTask{0};

NodeRules rules() {
  NodeRules r;
  r.max_model_len = 64;
  r.max_num_batched_tokens = 64;
  r.max_num_seqs = 4;
  return r;
}

CostBook costs() {
  const StepLimits limits{4, 64};
  return {StepCost::affine({1000}, {}, {}, {}, limits),
          StepCost::affine({3000}, {}, {}, {}, limits)};
}

/// Delivers a request of these sizes and runs the node to its end; returns the end of the request.
Time end_of(const NodeRef& ref, std::int32_t prompt, std::int32_t output, Time at) {
  ref.request(kTask) = Request{};
  ref.request(kTask).spec.prompt_tokens = prompt;
  ref.request(kTask).spec.output_tokens = output;
  ref.deliver(kTask, at);
  std::vector<NodeOutput> outputs;
  const auto next = [&] { return std::min(ref.node.next.output, ref.node.next.plan); };
  for (Time now = next(); !now.is_never(); now = next()) {
    ref.collect(now, outputs);
    ref.catch_up(now);
  }
  return outputs.empty() ? Time::never() : outputs.back().at;
}

TEST(Node, ARequestIsServedOnlyIfItsBlocksAreWithinTheGrant) {
  const NodeRules r = rules();
  const CostBook c = costs();
  for (const std::int32_t blocks : {1, 2}) {
    NodeTables tables(1);
    const Grant grant{.cost = 0, .blocks = blocks};
    Node node(node_id(0), r, grant);
    const Time end = end_of({node, r, c, grant, tables}, 20, 1, Time{0});  // two blocks
    EXPECT_EQ(end.is_never(), blocks == 1);
  }
}

TEST(Node, ACrashEmptiesTheNodeAndKeepsItsGrantAndItsSpeedLevel) {
  const NodeRules r = rules();
  const CostBook c = costs();
  NodeTables tables(1);
  const Grant grant{.cost = 0, .blocks = 3};
  Node node(node_id(0), r, grant);
  const NodeRef ref{node, r, c, grant, tables};
  ref.set_cost_level(1, Time{0});
  ref.request(kTask).spec.prompt_tokens = 20;
  ref.request(kTask).spec.output_tokens = 5;
  ref.deliver(kTask, Time{0});
  ref.catch_up(Time{100});
  EXPECT_EQ(ref.load(Time{100}).used_blocks, 2);
  std::vector<TaskSlot> lost;
  ref.crash(Time{200}, lost);
  EXPECT_EQ(lost, std::vector<TaskSlot>{kTask});
  EXPECT_EQ(ref.load(Time{200}).used_blocks, 0);
  EXPECT_EQ(node.kv.free_blocks, 3);
  EXPECT_EQ(end_of(ref, 40, 2, Time{1000}), Time{1000 + 2 * 3000});  // three blocks, two slow steps
}

}  // namespace
}  // namespace yardmaster
