#include "agents/checkpoint.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "agents/validation.h"
#include "env/rl/observation.h"
#include "env/scenario/load.h"
#include "tests/support/orderings.h"

namespace yardmaster {
namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(const char* name) : path_(testing::TempDir() + name) {}
  ~TemporaryFile() { std::remove(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Checkpoint example(double lambda) {
  Checkpoint c;
  c.algorithm = "residual_dqn";
  c.scale_s = 8.25;
  c.discount_time_s = 30;
  NetworkAgent agent;
  const std::size_t shared = kTaskFeatures + kFleetFeatures;
  agent.weights = NetworkWeights::initial({kNodeFeatures, shared, 16}, 4);
  agent.weights.score.assign(16, 0.37F);
  agent.node = {std::vector<float>(kNodeFeatures, 0.1F), std::vector<float>(kNodeFeatures, 0.9F)};
  agent.shared = {std::vector<float>(shared, 0.2F), std::vector<float>(shared, 1.1F)};
  agent.base = "marginal_cost";
  agent.lambda = lambda;
  c.network = agent;
  c.training.scenario = "quickstart";
  c.training.train = {1000000, 77};
  c.training.validation = {500000, 3};
  c.training.line_search = {{0.0, 4.5, 0.0, 0.0}, {0.1, 4.4, -0.1, 0.05}};
  return c;
}

// Which nodes a policy sends to in a short run.
std::vector<std::size_t> decisions(const Scenario& scenario, const DispatchPolicy& policy) {
  Simulation world(scenario, Seed{12}, find_ordering(scenario.dispatch.ordering));
  Dispatcher dispatcher(policy, Seed{12});
  std::vector<std::size_t> nodes;
  for (;;) {
    const Decision& decision = world.advance();
    if (decision.kind == DecisionKind::end) {
      return nodes;
    }
    const Action action = dispatcher.decide(world, decision);
    nodes.push_back(index(action.node));
    world.apply(action);
  }
}

const std::vector<Override> kShort = {{"duration", "10 s"}, {"warm_up", "0 s"}};

TEST(Checkpoint, ComesBackFromItsFileAsItWas) {
  const TemporaryFile file("checkpoint_round_trip.json");
  Checkpoint c = example(0.4);
  save_checkpoint(c, file.path());
  Checkpoint back = load_checkpoint(file.path());
  EXPECT_EQ(back.algorithm, c.algorithm);
  EXPECT_EQ(back.scale_s, c.scale_s);
  EXPECT_EQ(back.network->base, "marginal_cost");
  EXPECT_EQ(back.network->lambda, 0.4);
  EXPECT_EQ(back.network->weights.node, c.network->weights.node);
  EXPECT_EQ(back.network->weights.score, c.network->weights.score);
  EXPECT_EQ(back.network->node.inverse, c.network->node.inverse);
  EXPECT_EQ(back.training.train.count, 77U);
  EXPECT_EQ(back.training.line_search.at(1).difference_s, -0.1);
  EXPECT_FALSE(std::ifstream(file.path() + ".tmp")) << "the temporary file is gone";
}

TEST(Checkpoint, DecidesTheSameAfterAFileAndOnFleetsOfOtherSizes) {
  const TemporaryFile file("checkpoint_policy.json");
  save_checkpoint(example(0.5), file.path());
  const auto before = make_learned_policy(example(0.5));
  const auto after = load_checkpoint_policy(file.path());
  std::vector<Override> larger = kShort;
  larger.emplace_back("nodes[0].count", "5");
  for (const std::vector<Override>& overrides : {kShort, larger}) {
    const Scenario scenario = load_scenario("scenarios/quickstart.yaml", overrides);
    const std::vector<std::size_t> sent = decisions(scenario, *before);
    EXPECT_GT(sent.size(), 20U);
    EXPECT_EQ(sent, decisions(scenario, *after));
  }
}

TEST(Checkpoint, WithoutTrustInTheNetworkThePolicyIsItsBase) {
  const Scenario scenario = load_scenario("scenarios/quickstart.yaml", kShort);
  const auto base = make_dispatch("marginal_cost");
  EXPECT_EQ(decisions(scenario, *make_learned_policy(example(0))), decisions(scenario, *base));
  EXPECT_NE(decisions(scenario, *make_learned_policy(example(1))), decisions(scenario, *base));
}

std::string fault_of(const std::string& path) {
  try {
    (void)load_checkpoint_policy(path);
  } catch (const CheckpointError& fault) {
    return fault.what();
  }
  return "";
}

TEST(Checkpoint, SaysWhatIsWrongWithAFileThatItCannotUse) {
  const TemporaryFile file("checkpoint_faults.json");
  EXPECT_NE(fault_of(file.path()).find("cannot read"), std::string::npos);
  std::ofstream(file.path()) << "{\"format\": \"yardmaster chec";
  EXPECT_NE(fault_of(file.path()).find("not a whole checkpoint"), std::string::npos);
  std::ofstream(file.path()) << "{\"format\": \"something else\"}";
  EXPECT_NE(fault_of(file.path()).find("not a checkpoint"), std::string::npos);

  save_checkpoint(example(0.5), file.path());
  std::stringstream text;
  text << std::ifstream(file.path()).rdbuf();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text.str();
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    std::ofstream(file.path()) << changed.replace(at, from.size(), to);
    return fault_of(file.path());
  };
  EXPECT_NE(with("work_ahead", "work_behind").find("other features"), std::string::npos);
  EXPECT_NE(with("\"version\": 1", "\"version\": 99").find("version 99"), std::string::npos);
  EXPECT_NE(with("\"base\": \"marginal_cost\"", "\"base\": \"crystal_ball\"").find("crystal_ball"),
            std::string::npos);
}

TEST(Validation, PairedDifferencesHaveTheirMeanAndStandardError) {
  const std::vector<double> a = {1, 2, 3, 4}, b = {2, 2, 4, 6};
  const PairedDifference d = paired_difference(a, b);
  EXPECT_DOUBLE_EQ(d.mean, -1.0);
  EXPECT_NEAR(d.error, 0.408248290463863, 1e-12);  // sqrt(2 / 3 / 4)
}

TEST(Validation, LineSearchKeepsTheRuleWhenTheNetworkDoesHarm) {
  const Scenario scenario =
      load_scenario("scenarios/quickstart.yaml", {{"duration", "6 s"}, {"warm_up", "1 s"}});
  Checkpoint c = example(1);
  // The higher the marginal cost (column 23), the better: as wrong as can be.
  c.network->weights = NetworkWeights::zero(c.network->weights.shape);
  std::fill_n(c.network->weights.node.begin() + 23 * 16, 16, 1.0F);
  for (std::size_t i = 0; i < 16; ++i) {
    c.network->weights.hidden[i * 17] = 1.0F;
  }
  c.network->weights.score.assign(16, 1.0F);
  ThreadPool pool(2);
  std::size_t ticks = 0;
  choose_lambda(scenario, c, pool, [&] { return ++ticks > 0; });
  EXPECT_EQ(c.network->lambda, 0.0);
  EXPECT_EQ(ticks, kLambdaCount);
  ASSERT_EQ(c.training.line_search.size(), kLambdaCount);
  EXPECT_GT(c.training.line_search.back().difference_s, 0);
}

}  // namespace
}  // namespace yardmaster
