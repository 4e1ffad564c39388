#include "agents/checkpoint.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agents/validation.h"
#include "env/rl/observation.h"
#include "env/scenario/load.h"
#include "tests/support/orderings.h"
#include "tests/support/temporary_path.h"

namespace yardmaster {
namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(const char* name) : path_(temporary_path(name)) {}
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
  agent.columns = ObservationSpec::dispatch();
  const std::size_t node = agent.columns.node_width(), shared = agent.columns.shared_width();
  agent.weights = NetworkWeights::initial({node, shared, 16}, 4);
  agent.weights.score.assign(16, 0.37F);
  agent.node = {std::vector<float>(node, 0.1F), std::vector<float>(node, 0.9F)};
  agent.shared = {std::vector<float>(shared, 0.2F), std::vector<float>(shared, 1.1F)};
  agent.base = "marginal_cost";
  agent.lambda = lambda;
  c.network = agent;
  c.training.scenario = "quickstart";
  c.training.train = {1000000, 77};
  c.training.validation = {500000, 3};
  c.training.trained.seeds = {{1000000, 77}};
  c.training.trained.intervals = {{0xFEDCBA9876543210, Duration{5}, Duration{1234567890123456789}}};
  c.training.validated.seeds = {{500000, 3}};
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
  EXPECT_EQ(back.network->columns.names(), c.network->columns.names());
  EXPECT_EQ(back.training.train.count, 77U);
  EXPECT_EQ(back.training.trained, c.training.trained);
  EXPECT_EQ(back.training.validated, c.training.validated);
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

// A checkpoint in a file, changed.
class CheckpointFile {
 public:
  CheckpointFile() { save_checkpoint(example(0.5), file_.path()); }

  // What loading says after a change of the JSON; empty if it works.
  template <class Change>
  [[nodiscard]] std::string fault_after(Change change) const {
    nlohmann::json json = nlohmann::json::parse(std::ifstream(file_.path()));
    change(json);
    std::ofstream(changed_.path()) << json;
    return fault();
  }
  [[nodiscard]] std::string fault_of_text(const std::string& text) const {
    std::ofstream(changed_.path()) << text;
    return fault();
  }
  [[nodiscard]] const std::string& changed() const { return changed_.path(); }

 private:
  [[nodiscard]] std::string fault() const {
    try {
      static_cast<void>(load_checkpoint_policy(changed_.path()));
    } catch (const CheckpointError& error) {
      EXPECT_NE(std::string(error.what()).find(changed_.path()), std::string::npos);
      return error.what();
    }
    return "";
  }

  TemporaryFile file_{"checkpoint_good.json"};
  TemporaryFile changed_{"checkpoint_changed.json"};
};

TEST(Checkpoint, SaysWhatIsWrongWithAFileThatItCannotUse) {
  const CheckpointFile file;
  const auto expect = [](const std::string& fault, const char* text) {
    EXPECT_NE(fault.find(text), std::string::npos) << fault;
  };
  EXPECT_EQ(file.fault_after([](auto&) {}), "");
  expect(file.fault_of_text("{\"format\": \"yardmaster chec"), "not a whole checkpoint");
  expect(file.fault_of_text("{\"format\": \"something else\"}"), "not a checkpoint");
  expect(file.fault_after([](auto& j) { j["version"] = 99; }), "version 99");
  expect(file.fault_after([](auto& j) { j["network"]["base"] = "crystal_ball"; }), "crystal_ball");
  expect(file.fault_after([](auto& j) { j["network"]["tensors"]["score"][3] = 1e300; }),
         "score holds a number outside");
  expect(file.fault_after([](auto& j) { j["scale_s"] = 1e308; }), "scale_s is outside");
  expect(file.fault_after([](auto& j) { j["training"]["trained_on"]["seeds"][0]["count"] = 0; }),
         "range of seeds");
  try {
    static_cast<void>(load_checkpoint("no/such/file.json"));
    ADD_FAILURE();
  } catch (const CheckpointError& error) {
    expect(error.what(), "cannot read");
  }
}

TEST(Checkpoint, ACheckpointOfAnEarlierVersionIsRefusedWithTheReason) {
  const CheckpointFile file;
  const std::string fault = file.fault_after([](auto& j) { j["version"] = 1; });
  EXPECT_NE(fault.find("earlier version"), std::string::npos) << fault;
  EXPECT_NE(fault.find("train again"), std::string::npos) << fault;
}

TEST(Checkpoint, AColumnThatThisProgramDoesNotComputeIsRefusedByName) {
  const CheckpointFile file;
  const std::string unknown =
      file.fault_after([](auto& j) { j["network"]["columns"]["node"][4]["name"] = "horoscope"; });
  EXPECT_NE(unknown.find("\"horoscope\" is not a column of the node row"), std::string::npos)
      << unknown;
  const std::string changed =
      file.fault_after([](auto& j) { j["network"]["columns"]["fleet"][1]["max"] = 17; });
  EXPECT_NE(changed.find("\"in_flight\" was computed in another way"), std::string::npos)
      << changed;
}

// Moves item `from` of an array to the end.
void move_to_end(nlohmann::json& array, std::size_t from) {
  const nlohmann::json item = array.at(from);
  array.erase(from);
  array.push_back(item);
}

TEST(Checkpoint, ColumnsAreFoundByNameInAnyOrder) {
  const CheckpointFile file;
  constexpr std::size_t kHidden = 16;
  const std::size_t node = ObservationSpec::dispatch().node_width();
  const std::size_t shared = ObservationSpec::dispatch().shared_width();
  // The rows of the context's weights which belong to the mean and the minimum of node columns.
  const std::vector<std::size_t> blocks = {shared, shared + node};
  // The first node column moves to the end, with everything that belongs to it. A sum of floats
  // depends on the order of its terms, so the weights of that column are zero.
  const auto silence = [&](auto& j) {
    for (std::size_t h = 0; h < kHidden; ++h) {
      j["network"]["tensors"]["node"][h] = 0;
      for (const std::size_t block : blocks) {
        j["network"]["tensors"]["context"][block * kHidden + h] = 0;
      }
    }
  };
  ASSERT_EQ(file.fault_after(silence), "");
  const Checkpoint plain = load_checkpoint(file.changed());
  const auto turn = [&](auto& j) {
    silence(j);
    auto& network = j["network"];
    move_to_end(network["columns"]["node"], 0);
    for (const char* part : {"mean", "inverse"}) {
      move_to_end(network["standardisation"]["node"][part], 0);
    }
    for (std::size_t h = 0; h < kHidden; ++h) {
      move_to_end(network["tensors"]["node"], 0);
    }
    auto& context = network["tensors"]["context"];
    const auto before = context.template get<std::vector<float>>();
    for (const std::size_t block : blocks) {
      for (std::size_t i = 0; i < node * kHidden; ++i) {
        context[block * kHidden + i] = before[block * kHidden + (i + kHidden) % (node * kHidden)];
      }
    }
  };
  ASSERT_EQ(file.fault_after(turn), "");
  const Checkpoint turned = load_checkpoint(file.changed());
  EXPECT_NE(turned.network->columns.names(), plain.network->columns.names());
  const Scenario scenario = load_scenario("scenarios/quickstart.yaml", kShort);
  EXPECT_EQ(decisions(scenario, *make_learned_policy(turned)),
            decisions(scenario, *make_learned_policy(plain)));
}

TEST(Checkpoint, ANetworkOnAFewColumnsDecides) {
  Checkpoint c = example(1);
  NetworkAgent& agent = *c.network;
  agent.base = "";
  agent.columns = ObservationSpec::of({{"marginal_cost"}, {"prompt"}, {"ready"}});
  agent.weights = NetworkWeights::zero({1, 2, 4});
  // f = -marginal_cost, so the policy is that rule.
  agent.weights.node = {1, 0, 0, 0};
  agent.weights.hidden[0] = 1;
  agent.weights.score[0] = -1;
  agent.node = {{0}, {1}};
  agent.shared = {{0, 0}, {1, 1}};
  const TemporaryFile file("checkpoint_few_columns.json");
  save_checkpoint(c, file.path());
  const Scenario scenario = load_scenario("scenarios/quickstart.yaml", kShort);
  const std::vector<std::size_t> by_network =
      decisions(scenario, *load_checkpoint_policy(file.path()));
  const std::vector<std::size_t> by_rule = decisions(scenario, *make_dispatch("marginal_cost"));
  ASSERT_EQ(by_network.size(), by_rule.size());
  // Rounding makes ties of near ties.
  std::size_t equal = 0;
  for (std::size_t i = 0; i < by_rule.size(); ++i) {
    equal += by_rule[i] == by_network[i] ? 1 : 0;
  }
  EXPECT_GT(equal, by_rule.size() * 9 / 10);
}

TEST(Validation, PairedDifferencesHaveTheirMeanAndStandardError) {
  const std::vector<double> a = {1, 2, 3, 4}, b = {2, 2, 4, 6};
  const PairedDifference d = paired_difference(a, b);
  EXPECT_DOUBLE_EQ(d.mean, -1.0);
  EXPECT_NEAR(d.error, 0.408248290463863, 1e-12);  // sqrt(2 / 3 / 4)
}

// f = sign * (a column of the node row), in its feature's unit.
void score_by(const char* column, float sign, Checkpoint& c) {
  NetworkAgent& agent = *c.network;
  agent.columns = ObservationSpec::of({{column}, {}, {}});
  agent.weights = NetworkWeights::zero({1, 0, 4});
  agent.weights.node = {1, 0, 0, 0};
  agent.weights.hidden[0] = 1;
  agent.weights.score[0] = sign;
  agent.node = {{0}, {1}};
  agent.shared = {};
}

double chosen_lambda(const Scenario& scenario, Checkpoint c) {
  ThreadPool pool(2);
  choose_lambda(scenario, c, pool, [] { return true; });
  return c.network->lambda;
}

TEST(Validation, LineSearchKeepsTheRuleWhenTheNetworkDoesHarm) {
  const Scenario scenario =
      load_scenario("scenarios/quickstart.yaml", {{"duration", "6 s"}, {"warm_up", "1 s"}});
  Checkpoint c = example(1);
  score_by("marginal_cost", 1, c);  // the higher the cost, the better: as wrong as can be
  ThreadPool pool(2);
  std::size_t ticks = 0;
  choose_lambda(scenario, c, pool, [&] { return ++ticks > 0; });
  EXPECT_EQ(c.network->lambda, 0.0);
  EXPECT_EQ(ticks, kLambdaCount);
  ASSERT_EQ(c.training.line_search.size(), kLambdaCount);
  EXPECT_GT(c.training.line_search.back().difference_s, 0);
}

// A network that spares the requests on a node lowers the mean the more the higher its weight is,
// but a high weight makes some requests late.
TEST(Validation, LineSearchValidatesByTheObjectiveOfTheScenario) {
  const auto chosen = [](const char* latency_weight, const char* slo_weight) {
    const Scenario scenario =
        load_scenario("scenarios/quickstart.yaml", {{"duration", "10 s"},
                                                    {"warm_up", "1 s"},
                                                    {"workload.tenants[0].slo.e2e", "1500 ms"},
                                                    {"workload.tenants[1].slo.e2e", "1500 ms"},
                                                    {"objective.latency_weight", latency_weight},
                                                    {"objective.slo_weight", slo_weight}});
    Checkpoint c = example(1);
    c.network->base = "earliest_finish";
    c.training.validation = {500000, 6};
    score_by("delay_to_others", -1, c);
    return chosen_lambda(scenario, c);
  };
  const double by_latency = chosen("1", "0"), by_lateness = chosen("0", "5");
  EXPECT_GT(by_lateness, 0);
  EXPECT_LT(by_lateness, by_latency);
}

TEST(Validation, LineSearchTrustsANetworkThatImprovesItsBase) {
  const Scenario scenario =
      load_scenario("scenarios/quickstart.yaml", {{"duration", "6 s"}, {"warm_up", "1 s"}});
  Checkpoint c = example(1);
  c.network->base = "random";
  score_by("marginal_cost", -1, c);
  EXPECT_GT(chosen_lambda(scenario, c), 0);
}

}  // namespace
}  // namespace yardmaster
