// The oracle's own oracle: the slow node against the recorded decisions of vLLM's scheduler.
#include <gtest/gtest.h>

#include <cstdio>

#include <string>

#include "tests/reference/recordings.h"
#include "tests/reference/slow_node.h"

namespace yardmaster::reference {
namespace {

/// The recordings' cost: context is counted for entries beyond the prompt, even while a preempted
/// request recomputes its own output (there a step cost sees a chunk).
StepTime recorded_step_time(const RecordedCase& c) {
  return [&c](const NodeSettings&, const Step& step) {
    std::int64_t ps = c.h0_ps + c.h1_ps * static_cast<std::int64_t>(step.entries.size());
    for (const Entry& entry : step.entries) {
      ps += c.token_ps * entry.tokens + (entry.past_prompt ? c.context_ps * entry.before : 0);
    }
    return Duration{ps};
  };
}

/// Whether the two cost models give this run the same steps.
bool same_cost(const RecordedCase& c, const SlowNode& node) {
  for (const Step& step : node.steps()) {
    for (const Entry& entry : step.entries) {
      if (entry.past_prompt && entry.chunk && c.context_ps != 0) {
        return false;
      }
    }
  }
  return true;
}

void expect_same_requests(const RecordedCase& c, const SlowNode& node) {
  ASSERT_EQ(node.facts().size(), c.requests.size());
  for (std::size_t i = 0; i < c.requests.size(); ++i) {
    const RecordedRequest& want = c.requests[i];
    const RequestFacts& got = node.facts().at(static_cast<RequestId>(i));
    ASSERT_EQ(got.first_scheduled, want.first_scheduled) << c.id << " request " << i;
    ASSERT_EQ(got.first_token, want.first_token) << c.id << " request " << i;
    ASSERT_EQ(got.last_token, want.last_token) << c.id << " request " << i;
    ASSERT_EQ(got.produced, want.produced) << c.id << " request " << i;
    ASSERT_EQ(got.preempted.size(), static_cast<std::size_t>(want.preemptions))
        << c.id << " request " << i;
    ASSERT_EQ(got.end == End::unfinished, want.stuck) << c.id << " request " << i;
  }
}

void expect_same_steps(const RecordedCase& c, const SlowNode& node) {
  ASSERT_EQ(node.steps().size(), c.steps.size()) << c.id;
  for (std::size_t i = 0; i < c.steps.size(); ++i) {
    const Step& got = node.steps()[i];
    const Step& want = c.steps[i];
    ASSERT_EQ(got.planned, want.planned) << c.id << " step " << i;
    ASSERT_EQ(got.start, want.start) << c.id << " step " << i;
    ASSERT_EQ(got.lasts, want.lasts) << c.id << " step " << i;
    ASSERT_EQ(got.free_blocks, want.free_blocks) << c.id << " step " << i;
    ASSERT_EQ(got.admitted, want.admitted) << c.id << " step " << i;
    ASSERT_EQ(got.preempted, want.preempted) << c.id << " step " << i;
    ASSERT_EQ(got.entries.size(), want.entries.size()) << c.id << " step " << i;
    for (std::size_t j = 0; j < want.entries.size(); ++j) {
      ASSERT_EQ(got.entries[j].id, want.entries[j].id) << c.id << " step " << i;
      ASSERT_EQ(got.entries[j].tokens, want.entries[j].tokens) << c.id << " step " << i;
      ASSERT_EQ(got.entries[j].before, want.entries[j].before) << c.id << " step " << i;
    }
  }
}

class Recordings : public testing::TestWithParam<const char*> {};

TEST_P(Recordings, SlowNodePlansEveryRecordedStepAsVllmDid) {
  const std::vector<RecordedCase> cases = read_recordings(data_folder() + "/vllm/" + GetParam());
  if (cases.empty()) {
    GTEST_SKIP() << "no recordings under " << data_folder();
  }
  int replayed = 0, compiled = 0, preempting = 0;
  for (const RecordedCase& c : cases) {
    if (!c.plain()) {
      continue;
    }
    const SlowNode node = run_script(c.settings, c.deliveries, recorded_step_time(c));
    expect_same_requests(c, node);
    expect_same_steps(c, node);
    if (HasFatalFailure()) {
      return;
    }
    ++replayed;
    for (const RecordedRequest& request : c.requests) {
      preempting += request.preemptions > 0 ? 1 : 0;
    }
    if (same_cost(c, node)) {  // then the compiled cost must give the same times as well
      expect_same_steps(c, run_script(c.settings, c.deliveries));
      ++compiled;
    }
    if (HasFatalFailure()) {
      return;
    }
  }
  RecordProperty("replayed", replayed);
  EXPECT_GE(replayed, 30);
  EXPECT_GE(compiled, 20);
  EXPECT_GE(preempting, 100);
  std::printf("%d of %zu cases replayed, %d also with compiled costs; %d requests were preempted\n",
              replayed, cases.size(), compiled, preempting);
}

INSTANTIATE_TEST_SUITE_P(
    AllVersions, Recordings,
    testing::Values("vllm-0.32_sync_cases.jsonl.gz", "vllm-0.32_async_cases.jsonl.gz",
                    "vllm-0.19_sync_cases.jsonl.gz", "vllm-0.19_async_cases.jsonl.gz"),
    [](const auto& parameter) {
      const std::string file = parameter.param;
      return (file.find("0.32") != std::string::npos ? std::string("V32") : std::string("V19")) +
             (file.find("async") != std::string::npos ? "Async" : "Sync");
    });

}  // namespace
}  // namespace yardmaster::reference
