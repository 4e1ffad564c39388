// What all trainers share: how a run begins, from nothing or from a checkpoint.
#include "agents/trainer.h"

#include <string>
#include <type_traits>

#include "env/rl/usage_error.h"

namespace yardmaster {
namespace {

template <class T>
void require_equal(const char* option, const T& asked, const T& stored) {
  if (asked != stored) {
    std::string text = std::string("--resume: the checkpoint was trained with ") + option + " ";
    if constexpr (std::is_same_v<T, std::string>) {
      text += stored + ", not with " + asked;
    } else {
      text += std::to_string(stored) + ", not with " + std::to_string(asked);
    }
    throw UsageError(text);
  }
}

}  // namespace

void adopt(const Checkpoint& checkpoint, TrainOptions& options) {
  options.algorithm = checkpoint.algorithm;
  if (checkpoint.network) {
    options.base = checkpoint.network->base;
    options.hidden = checkpoint.network->weights.shape.hidden;
    options.dueling = checkpoint.network->dueling;
  }
}

void check_resumable(const Checkpoint& checkpoint, const TrainOptions& options,
                     const Scenario& scenario) {
  require_equal("--algorithm", options.algorithm, checkpoint.algorithm);
  require_equal("objective.discount_time (seconds)", scenario.objective.discount_time.seconds(),
                checkpoint.discount_time_s);
  if (checkpoint.training.trained.overlaps(WorldIndex(scenario).of(options.validation))) {
    throw UsageError(
        "--resume: the checkpoint was trained on worlds that --validation-seeds choose");
  }
  if (!checkpoint.network) {
    return;
  }
  const NetworkAgent& agent = *checkpoint.network;
  if (options.algorithm == "residual_dqn") {
    require_equal("--base", options.base, agent.base);
  }
  require_equal("--hidden", options.hidden, agent.weights.shape.hidden);
  if (options.dueling != agent.dueling) {
    throw UsageError(agent.dueling ? "--resume: the checkpoint was trained without --no-dueling"
                                   : "--resume: the checkpoint was trained with --no-dueling");
  }
}

TrainingRecord begin_record(const Scenario& scenario, const TrainOptions& options,
                            const Checkpoint* before) {
  TrainingRecord record;
  if (before != nullptr) {
    record = before->training;
    record.line_search.clear();
  }
  record.scenario = scenario.name;
  record.seed = options.seed;
  record.train = options.train;
  record.validation = options.validation;
  const WorldIndex index(scenario);
  record.trained.add(index.of(options.train));
  record.validated.add(index.of(options.validation));
  return record;
}

}  // namespace yardmaster
