// Both nodes against recorded decisions of a scheduler, step by step. In the large set vLLM's own
// scheduler decided: that is what validates the slow node. In the small set the slow node decided.
#include "tests/reference/recordings.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <string>

#include "tests/golden/golden_file.h"
#include "tests/reference/recorded_trial.h"
#include "tests/support/data.h"

namespace yardmaster::reference {
namespace {

void expect_as_recorded(const RecordedCase& c, const std::vector<RecordedStep>& steps,
                        const std::vector<RequestOutcome>& outcomes) {
  ASSERT_EQ(steps.size(), c.steps.size()) << c.id;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    ASSERT_TRUE(steps[i] == c.steps[i]) << c.id << " step " << i;
  }
  ASSERT_EQ(outcomes.size(), c.requests.size()) << c.id;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    ASSERT_TRUE(outcomes[i] == c.requests[i].outcome) << c.id << " request " << i;
  }
}

/// Requires at least `preempted` requests that were preempted, so that preemption is tested.
void expect_slow_node_plans(const std::vector<RecordedCase>& recorded, int preempted) {
  int found = 0;
  for (const RecordedCase& c : recorded) {
    const SlowNode node = run_script(c.settings, deliveries(c));
    expect_as_recorded(c, recorded_steps(node), outcomes(node));
    if (testing::Test::HasFatalFailure()) {
      return;
    }
    for (const RecordedRequest& request : c.requests) {
      found += request.outcome.preemptions > 0 ? 1 : 0;
    }
  }
  EXPECT_GE(found, preempted);
  std::printf("%zu cases replayed, %d requests were preempted\n", recorded.size(), found);
}

void expect_node_plans(const std::vector<RecordedCase>& recorded) {
  EXPECT_FALSE(recorded.empty());
  for (const RecordedCase& c : recorded) {
    const ReplayedCase node = replay(c);
    expect_as_recorded(c, node.steps, node.outcomes);
    if (testing::Test::HasFatalFailure()) {
      return;
    }
  }
}

/// A version of the scheduler and whether it plans one step ahead.
struct Scheduler {
  const char* name;
  const char* version;
  bool asynchronous;
  const char* small_file;
  const char* large_file;
};

class Recordings : public testing::TestWithParam<Scheduler> {};

TEST_P(Recordings, SmallSetIsWhatTheSlowNodeDecides) {
  const Scheduler& scheduler = GetParam();
  expect_content_of(std::string("tests/data/") + scheduler.small_file,
                    small_recordings(scheduler.version, scheduler.asynchronous));
}

TEST_P(Recordings, SlowNodePlansEveryRecordedStep) {
  expect_slow_node_plans(all_recordings(shipped_data(GetParam().small_file)), 4);
}

TEST_P(Recordings, NodePlansEveryRecordedStep) {
  expect_node_plans(all_recordings(shipped_data(GetParam().small_file)));
}

TEST_P(Recordings, SlowNodePlansEveryStepThatVllmPlanned) {
  const LargeDataFile file(GetParam().large_file);
  if (!file.exists()) {
    GTEST_SKIP() << file.why_absent();
  }
  expect_slow_node_plans(all_recordings(file.path()), 100);
}

TEST_P(Recordings, NodePlansEveryStepThatVllmPlanned) {
  const LargeDataFile file(GetParam().large_file);
  if (!file.exists()) {
    GTEST_SKIP() << file.why_absent();
  }
  expect_node_plans(all_recordings(file.path()));
}

INSTANTIATE_TEST_SUITE_P(
    AllVersions, Recordings,
    testing::Values(Scheduler{"V32Sync", "0.32.0", false, "vllm/slow_node_0.32_sync.jsonl",
                              "vllm/vllm-0.32_sync_cases.jsonl.gz"},
                    Scheduler{"V32Async", "0.32.0", true, "vllm/slow_node_0.32_async.jsonl",
                              "vllm/vllm-0.32_async_cases.jsonl.gz"},
                    Scheduler{"V19Sync", "0.19.1", false, "vllm/slow_node_0.19_sync.jsonl",
                              "vllm/vllm-0.19_sync_cases.jsonl.gz"},
                    Scheduler{"V19Async", "0.19.1", true, "vllm/slow_node_0.19_async.jsonl",
                              "vllm/vllm-0.19_async_cases.jsonl.gz"}),
    [](const auto& scheduler) { return scheduler.param.name; });

}  // namespace
}  // namespace yardmaster::reference
