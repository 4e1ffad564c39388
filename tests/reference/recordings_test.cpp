// Both nodes against the recorded decisions of vLLM's scheduler: the oracle's own oracle, and the
// node that everything uses.
#include "tests/reference/recordings.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace yardmaster::reference {
namespace {

class Recordings : public testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] std::vector<RecordedCase> cases() const {
    return all_recordings(data_folder() + "/vllm/" + GetParam());
  }
};

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

TEST_P(Recordings, SlowNodePlansEveryRecordedStepAsVllmDid) {
  const std::vector<RecordedCase> recorded = cases();
  if (recorded.empty()) {
    GTEST_SKIP() << "no recordings under " << data_folder();
  }
  int preempting = 0;
  for (const RecordedCase& c : recorded) {
    const SlowNode node = run_script(c.settings, deliveries(c));
    expect_as_recorded(c, recorded_steps(node), outcomes(node));
    if (HasFatalFailure()) {
      return;
    }
    for (const RecordedRequest& request : c.requests) {
      preempting += request.outcome.preemptions > 0 ? 1 : 0;
    }
  }
  EXPECT_GE(preempting, 100);
  std::printf("%zu cases replayed, %d requests were preempted\n", recorded.size(), preempting);
}

TEST_P(Recordings, NodePlansEveryRecordedStepAsVllmDid) {
  const std::vector<RecordedCase> recorded = cases();
  if (recorded.empty()) {
    GTEST_SKIP() << "no recordings under " << data_folder();
  }
  for (const RecordedCase& c : recorded) {
    const ReplayedCase node = replay(c);
    expect_as_recorded(c, node.steps, node.outcomes);
    if (HasFatalFailure()) {
      return;
    }
  }
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
