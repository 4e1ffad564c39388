#include "env/node/solo_node.h"

#include <gtest/gtest.h>

#include <vector>

#include "env/base/check.h"

namespace yardmaster {
namespace {

constexpr Duration kMillisecond{1'000'000'000};
constexpr TaskSlot kTask{0};

/// A synchronous node whose steps last 10 ms and 1 ms per token.
NodeSettings settings(std::int32_t blocks) {
  NodeSettings s;
  s.rules.max_num_seqs = 4;
  s.rules.max_num_batched_tokens = 64;
  s.rules.max_model_len = 64;
  s.rules.steps_in_flight = 1;
  s.costs = CostBook(StepCost::affine(kMillisecond * 10, {}, kMillisecond, {}, {4, 64}));
  s.grant.blocks = blocks;
  return s;
}

void send(SoloNode& node, std::int32_t prompt, std::int32_t output, Time at) {
  node.request(kTask) = Request{};
  node.request(kTask).spec.prompt_tokens = prompt;
  node.request(kTask).spec.output_tokens = output;
  node.deliver(kTask, at);
}

std::vector<NodeOutput> run_to_end(SoloNode& node) {
  std::vector<NodeOutput> all;
  while (!node.done()) {
    const auto outputs = node.advance();
    all.insert(all.end(), outputs.begin(), outputs.end());
  }
  return all;
}

TEST(SoloNode, ARequestGetsItsTokensAtTheEndsOfItsSteps) {
  const NodeSettings s = settings(4);
  SoloNode node(s, 1);
  send(node, 4, 3, Time{0} + kMillisecond * 5);
  const std::vector<NodeOutput> outputs = run_to_end(node);
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[0].kind, NodeOutput::Kind::first_token);
  EXPECT_EQ(outputs[0].at, Time{0} + kMillisecond * (5 + 14));  // a chunk of 4 tokens
  EXPECT_EQ(outputs[1].kind, NodeOutput::Kind::finished);
  EXPECT_EQ(outputs[1].at, Time{0} + kMillisecond * (5 + 14 + 2 * 11));  // and two decode steps
  EXPECT_EQ(node.counters().steps, 3);
  EXPECT_EQ(node.request(kTask).first_token, outputs[0].at);
}

TEST(SoloNode, ARequestSentInAnswerToAnEndStartsThen) {
  const NodeSettings s = settings(4);
  SoloNode node(s, 1);
  send(node, 4, 1, Time{0});
  std::vector<Time> ends;
  while (!node.done()) {
    for (const NodeOutput& output : node.advance()) {
      if (output.kind == NodeOutput::Kind::finished) {
        ends.push_back(output.at);
        if (ends.size() < 3) {
          send(node, 4, 1, output.at);
        }
      }
    }
  }
  EXPECT_EQ(ends, (std::vector<Time>{Time{0} + kMillisecond * 14, Time{0} + kMillisecond * 28,
                                     Time{0} + kMillisecond * 42}));
}

TEST(SoloNode, IsDoneWhenTheOnlyRequestNeverFitsItsGrant) {
  const NodeSettings s = settings(1);
  SoloNode node(s, 1);
  send(node, 20, 1, Time{0});  // two blocks
  EXPECT_TRUE(run_to_end(node).empty());
  EXPECT_EQ(node.request(kTask).state, RequestState::waiting);
  EXPECT_THROW(node.advance(), InternalFault);
}

}  // namespace
}  // namespace yardmaster
