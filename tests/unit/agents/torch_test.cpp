// Deep Q-learning on LibTorch: its forward pass against the one that decides, and short trainings.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "agents/trainer.h"
#include "env/base/random.h"
#include "env/rl/usage_error.h"
#include "env/scenario/load.h"
#include "tests/support/temporary_path.h"

namespace yardmaster {
namespace {

std::vector<float> noise(std::size_t size, std::uint32_t which, double scale) {
  std::vector<float> out(size);
  for (std::size_t i = 0; i < size; ++i) {
    const Draw draw{Seed{21}, Purpose::weights,
                    object_address(which, static_cast<std::uint32_t>(i))};
    out[i] = static_cast<float>(std::clamp(scale * draw.normal(), -6.0, 6.0));
  }
  return out;
}

// Opens the module with LibTorch, if it was built.
class Torch : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path module =
        std::filesystem::path(YARDMASTER_COMMAND).parent_path() / "yardmaster_torch.so";
    if (!std::filesystem::exists(module)) {
      GTEST_SKIP() << "built without LibTorch";
    }
    ::setenv("OPENBLAS_NUM_THREADS", "1", 0);
    handle_ = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(handle_, nullptr) << ::dlerror();
  }
  template <class Function>
  [[nodiscard]] Function symbol(const char* name) const {
    return reinterpret_cast<Function>(::dlsym(handle_, name));
  }

  [[nodiscard]] Checkpoint train(const TrainOptions& options) const {
    const auto by_torch = symbol<TrainDqnFunction>(kTrainDqnSymbol);
    EXPECT_NE(by_torch, nullptr);
    const Scenario scenario =
        load_scenario("scenarios/quickstart.yaml", {{"duration", "4 s"}, {"warm_up", "1 s"}});
    const ProgressFunction none;
    Checkpoint result;
    std::exception_ptr error;
    by_torch(&scenario, &options, &none, &result, &error);
    if (error != nullptr) {
      std::rethrow_exception(error);
    }
    return result;
  }

  void* handle_ = nullptr;
};

// Seconds of training: a few gradient steps with everything switched on.
TrainOptions short_training() {
  TrainOptions options;
  options.envs = 4;
  options.updates = 48;
  options.batch = 64;
  options.hidden = 16;
  options.decisions_per_update = 32;
  options.validation = {500'000, 2};
  return options;
}

std::vector<float> all_weights(NetworkWeights weights) {
  std::vector<float> all;
  for (const std::span<float> tensor : weights.tensors()) {
    all.insert(all.end(), tensor.begin(), tensor.end());
  }
  return all;
}

TEST_F(Torch, ForwardPassAgreesWithTheOneThatDecides) {
  const auto by_torch = symbol<TorchForwardFunction>(kTorchForwardSymbol);
  ASSERT_NE(by_torch, nullptr);
  const NetworkShape shape{31, 19, 64};
  NetworkWeights weights = NetworkWeights::initial(shape, 5);
  std::uint32_t which = 100;
  for (const std::span<float> tensor : weights.tensors()) {
    const std::vector<float> more = noise(tensor.size(), which++, 0.1);
    std::transform(tensor.begin(), tensor.end(), more.begin(), tensor.begin(), std::plus<>());
  }
  for (std::uint32_t k = 0; k < 50; ++k) {
    const std::size_t nodes = 2 + k % 15;
    const std::vector<float> rows = noise(nodes * shape.node, 1000 + k, 1),
                             shared = noise(shape.shared, 2000 + k, 1);
    std::vector<float> ours(nodes), theirs(nodes);
    float value = 0;
    score_nodes(weights, rows, shared, ours);
    by_torch(&weights, rows.data(), nodes, shared.data(), theirs.data(), &value);
    for (std::size_t n = 0; n < nodes; ++n) {
      EXPECT_NEAR(ours[n], theirs[n], 1e-4);
    }
    EXPECT_NEAR(state_value(weights, rows, shared), value, 1e-4);
    EXPECT_EQ(std::max_element(ours.begin(), ours.end()) - ours.begin(),
              std::max_element(theirs.begin(), theirs.end()) - theirs.begin());
  }
}

TEST_F(Torch, EachSwitchOfDeepQLearningChangesWhatIsLearnt) {
  const TrainOptions base = short_training();
  const std::vector<float> learnt = all_weights(train(base).network->weights);
  EXPECT_TRUE(std::all_of(learnt.begin(), learnt.end(), [](float x) { return std::isfinite(x); }));
  const auto differs = [&](const char* which, const std::function<void(TrainOptions&)>& change) {
    TrainOptions options = base;
    change(options);
    const Checkpoint c = train(options);
    const std::vector<float> weights = all_weights(c.network->weights);
    EXPECT_TRUE(std::all_of(weights.begin(), weights.end(), [](float x) {
      return std::isfinite(x);
    })) << which;
    EXPECT_NE(weights, learnt) << which;
    return c;
  };
  differs("double", [](TrainOptions& o) { o.double_q = false; });
  differs("n-step", [](TrainOptions& o) { o.n_step = 1; });
  EXPECT_FALSE(differs("dueling", [](TrainOptions& o) { o.dueling = false; }).network->dueling);
  const Checkpoint plain = differs("residual", [](TrainOptions& o) { o.algorithm = "dqn"; });
  EXPECT_EQ(plain.network->base, "");
  EXPECT_EQ(plain.network->lambda, 1);
  EXPECT_TRUE(plain.training.line_search.empty());
}

TEST_F(Torch, TrainingGivesTheSameWeightsOnOneAndOnTwoThreads) {
  TrainOptions options = short_training();
  options.threads = 1;
  const Checkpoint one = train(options);
  options.threads = 2;
  const Checkpoint two = train(options);
  EXPECT_EQ(all_weights(one.network->weights), all_weights(two.network->weights));
  EXPECT_EQ(one.network->lambda, two.network->lambda);
  EXPECT_EQ(one.training.line_search.size(), 8U);
  EXPECT_EQ(one.training.updates, 32U) << "the first block has no gradient steps";
  NetworkWeights initial = NetworkWeights::initial(one.network->weights.shape, options.seed);
  EXPECT_NE(all_weights(one.network->weights), all_weights(initial));
}

TEST_F(Torch, ResumesOnTheColumnsOfTheCheckpoint) {
  TrainOptions options = short_training();
  Checkpoint few = train(options);
  NetworkAgent& agent = *few.network;
  agent.columns = ObservationSpec::of({{"finish", "in_flight"}, {"prompt"}, {"ready"}});
  agent.weights = NetworkWeights::initial({2, 2, 16}, 1);
  agent.node = {{0, 0}, {1, 1}};
  agent.shared = {{0, 0}, {1, 1}};
  options.resume = temporary_path("few_columns.json");
  save_checkpoint(few, options.resume);
  const Checkpoint resumed = train(options);
  EXPECT_EQ(resumed.network->columns.names(), agent.columns.names());
  EXPECT_NE(all_weights(resumed.network->weights), all_weights(agent.weights));
  options.hidden = 32;
  EXPECT_THROW(static_cast<void>(train(options)), UsageError);
  std::remove(options.resume.c_str());
}

TEST_F(Torch, TheCommandTrainsAndEvaluateTakesItsCheckpoint) {
  const std::string file = temporary_path("torch_command.json");
  const std::string scenario = std::string(" ") + YARDMASTER_SOURCE_DIR +
                               "/scenarios/quickstart.yaml --set 'duration=4 s' "
                               "--set 'warm_up=1 s' ";
  const std::string quiet = " > /dev/null 2>&1";
  for (const std::string& algorithm : {std::string("residual_dqn"), std::string("dqn")}) {
    const std::string train = YARDMASTER_COMMAND + (" train" + scenario) + "--algorithm " +
                              algorithm +
                              " --updates 32 --batch 64 --hidden 16 --envs 4 "
                              "--decisions-per-update 32 --validation-seeds 500000..500001 -o " +
                              file + quiet;
    EXPECT_EQ(std::system(train.c_str()), 0) << algorithm;
    const std::string evaluate = YARDMASTER_COMMAND + (" evaluate" + scenario) + "--policies " +
                                 file + ",round_robin --seeds 1..2" + quiet;
    EXPECT_EQ(std::system(evaluate.c_str()), 0) << algorithm;
    std::remove(file.c_str());
  }
}

}  // namespace
}  // namespace yardmaster
