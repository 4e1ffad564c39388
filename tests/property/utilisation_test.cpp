// Shares of a node's time and hardware: none exceeds 1, and samples add up to the run.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "env/hardware/catalogue.h"
#include "env/scenario/load.h"
#include "env/simulation/sampler.h"
#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/chaos.h"
#include "tests/support/dice.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

void expect_shares(const Utilisation& u) {
  for (const double share : {u.busy, u.compute, u.memory, u.bandwidth}) {
    ASSERT_GE(share, 0);
    ASSERT_LE(share, 1);
  }
}

struct Sampled {
  std::vector<NodeSample> samples;
  std::vector<Utilisation> whole;  // [node] of the run, [0, end]
  double end_s = 0;
};

/// Runs a world to its end under `chaos`, and takes samples meanwhile.
Sampled run_sampled(const Scenario& scenario, std::uint64_t seed, Duration interval) {
  Simulation world(scenario, Seed{seed}, find_ordering("first_come_first_served"));
  NodeSampler sampler(scenario, interval);
  Chaos chaos{seed};
  for (const Decision* d = &world.advance(); d->kind != DecisionKind::end; d = &world.advance()) {
    chaos.answer(world, *d);
    sampler.at_decision(world);
  }
  sampler.sample(world);
  return {sampler.samples(), sampler.between(Time::never(), Time{}), world.now().seconds()};
}

/// Returns the busy seconds of all nodes.
double expect_shares_of_run(const Scenario& scenario, std::uint64_t seed, Duration interval) {
  const Sampled run = run_sampled(scenario, seed, interval);
  double busy_s = 0;
  std::vector<double> last_s(scenario.nodes()), sum_s(scenario.nodes());
  for (const NodeSample& s : run.samples) {
    expect_shares(s.since_last);
    sum_s[index(s.node)] += s.since_last.busy * (s.time.seconds() - last_s[index(s.node)]);
    last_s[index(s.node)] = s.time.seconds();
  }
  for (std::size_t n = 0; n < scenario.nodes(); ++n) {
    expect_shares(run.whole[n]);
    EXPECT_NEAR(sum_s[n], run.whole[n].busy * run.end_s, 1e-9 * (1 + run.end_s));
    busy_s += sum_s[n];
  }
  return busy_s;
}

TEST(Utilisation, EveryShareLiesBetweenZeroAndOneInRandomScenariosUnderEveryAction) {
  double busy_s = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const Scenario scenario = random_scenario(seed);
    busy_s += expect_shares_of_run(scenario, seed, Duration{scenario.duration.ps / 250});
    ASSERT_FALSE(HasFailure()) << "scenario seed " << seed;
  }
  EXPECT_GT(busy_s, 300);
}

// Crashes void steps, and a shared block is one block however many requests hold it.
TEST(Utilisation, EveryShareLiesBetweenZeroAndOneWherePromptsShareBlocksAndNodesCrash) {
  const std::string path = testing::TempDir() + "yardmaster_utilisation.jsonl";
  {
    Dice dice(1);
    std::ofstream out(path);
    for (int i = 0; i < 300; ++i) {
      out << R"({"timestamp": )" << 20 * i << R"(, "input_length": 8192, "output_length": )"
          << dice.between(100, 600) << R"(, "hash_ids": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,)"
          << 15 + i << "]}\n";
    }
  }
  Scenario scenario = load_scenario_text(
      "nodes:\n  - {count: 1, gpu: a100-80gb-sxm, model: llama-3.1-8b,\n"
      "     failures: {between: 2 s, repair: 1 s}}\n"
      "workload: {trace: " +
          path + ", rate: 50 /s}\n",
      YARDMASTER_SOURCE_DIR "/scenarios/test.yaml");
  std::filesystem::remove(path);
  scenario.kinds[0].settings.rules.enable_prefix_caching = true;
  double shared = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    for (NodeSample s : run_sampled(scenario, seed, kMillisecond * 20).samples) {
      expect_shares(s.since_last);
      shared = std::max(shared, s.since_last.memory);
    }
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(shared, 0.05);
}

TEST(Utilisation, ANodeThatIsNeverIdleIsBusyAllTheTimeHoweverLongItsSegments) {
  Tenant tenant = poisson_tenant(fixed_length(64), fixed_length(8000));
  tenant.arrivals.kind = ArrivalProcess::Kind::deterministic;
  const Scenario scenario = make_scenario({formula_kind(1)}, {tenant}, 0.1, kSecond * 60);
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  NodeSampler sampler(scenario, kSecond);
  run_policy(world, *make_dispatch("round_robin"), Seed{1});
  Simulation again(scenario, Seed{1}, find_ordering("first_come_first_served"));
  for (Time at; at < world.now(); at = at + kMillisecond * 300) {
    while (again.advance(nullptr, at).kind == DecisionKind::dispatch) {
      again.apply(Action::send(node_id(0)));
    }
    sampler.sample(again);
  }
  ASSERT_GT(world.now().seconds(), 60);
  std::size_t full = 0;
  for (const NodeSample& s : sampler.samples()) {
    if (s.time > Time{kSecond.ps * 11} && s.time < world.now()) {
      ASSERT_EQ(s.since_last.busy, 1) << "at " << s.time.seconds() << " s";
      ASSERT_GT(s.since_last.bandwidth, 0.5);
      ++full;
    }
  }
  EXPECT_GT(full, 100U);
}

struct Shape {
  std::int32_t decodes, context, before, chunk;  // `context`: of each decode
};

/// FLOP and bytes of a step over what the data sheet allows in its time.
void expect_possible(const GpuSpec& gpu, const ModelSpec& model, int gpus, const StepCost& cost,
                     const Shape& shape) {
  MixedStep step;
  step.decodes = step.sampled = shape.decodes;
  step.context_tokens = std::int64_t{shape.decodes} * shape.context;
  Duration time;
  if (shape.chunk > 0) {
    step.add_chunk(shape.before, shape.chunk);
    ++step.sampled;
    time = cost.mixed(step);
  } else {
    time = cost.decode(shape.decodes, step.context_tokens).first;
  }
  const WorkCost work = work_cost(gpu, model, gpus);
  const auto context = static_cast<double>(step.context_tokens);
  const std::int32_t tokens = shape.decodes + shape.chunk;
  const double flops = work.flops_per_token * tokens + work.flops_per_sample * step.sampled +
                       work.flops_per_pair * (static_cast<double>(step.chunk_pairs) / 2 + context);
  const double bytes =
      1024.0 * static_cast<double>(cost.weights_kib(tokens)) + work.kv_bytes_per_token * context;
  const std::string what = gpu.name + ", " + model.name + " on " + std::to_string(gpus) + ", " +
                           std::to_string(shape.decodes) + " decodes over " +
                           std::to_string(shape.context) + ", a chunk of " +
                           std::to_string(shape.chunk) + " after " + std::to_string(shape.before);
  EXPECT_LE(flops / (time.seconds() * work.peak_flops), 1) << what;
  EXPECT_LE(bytes / (time.seconds() * work.peak_bandwidth), 1) << what;
}

void expect_possible_steps(const GpuSpec& gpu, const ModelSpec& model, int gpus,
                           const StepCost& cost, std::int32_t max_num_seqs) {
  for (const std::int32_t decodes : {0, 1, 2, 7, 32, 100, 256}) {
    for (const std::int32_t context : {16, 500, 4000, 30000}) {
      for (const std::int32_t chunk : {0, 16, 100, 250, 512, 1000, 2048, 7900}) {
        for (const std::int32_t before : {0, 8192}) {
          const std::int32_t requests = decodes + (chunk > 0 ? 1 : 0);
          if (requests > 0 && requests <= max_num_seqs) {
            expect_possible(gpu, model, gpus, cost, {decodes, context, before, chunk});
          }
        }
      }
    }
  }
}

TEST(Utilisation, NoStepOfTheCatalogueIsFasterThanTheDataSheet) {
  const StepLimits limits{256, 8192};
  Catalogue catalogue;
  yaml::Faults faults;
  load_catalogue(std::string(YARDMASTER_SOURCE_DIR) + "/scenarios/catalogue", catalogue, faults);
  ASSERT_TRUE(faults.lines().empty());
  const EngineSpec& engine = find_entry(catalogue.engines, "vllm-0.32")->spec;
  int pairs = 0, profiles = 0;
  for (const auto& gpu : catalogue.gpus) {
    for (const auto& entry : catalogue.models) {
      for (const int gpus : {1, 2, 8}) {
        const ModelSpec& model = entry.spec;
        if (!gpu.spec.runs(model, gpus)) {
          continue;
        }
        ++pairs;
        expect_possible_steps(gpu.spec, model, gpus,
                              StepCost(gpu.spec, model, engine, gpus, limits), limits.max_num_seqs);
        const std::string name = profile_name(gpu.spec.name, model.name, gpus);
        if (std::filesystem::exists(catalogue.folder + "/profiles/" + name + ".yaml")) {
          const StepProfile* profile = find_profile(catalogue, name, faults);
          ASSERT_NE(profile, nullptr) << name;
          ++profiles;
          expect_possible_steps(gpu.spec, model, gpus,
                                StepCost(*profile, gpu.spec, model, engine, limits),
                                limits.max_num_seqs);
        }
      }
    }
  }
  EXPECT_GT(pairs, 50);
  EXPECT_EQ(profiles, 7);
}

}  // namespace
}  // namespace yardmaster
