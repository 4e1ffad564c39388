// `yardmaster evaluate`: compares policies on the same seeds, with intervals and paired
// differences.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "env/scenario/policy_list.h"
#include "results/comparison.h"
#include "tools/command.h"
#include "tools/episode.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/table.h"

namespace yardmaster {
namespace {

struct EvaluateOptions {
  ScenarioOptions scenario;
  OutputOptions output;
  std::string policies, seeds;
  unsigned threads = 0;
};

/// What the workers share: the runs to make, and where their results go.
struct Campaign {
  const Scenario& scenario;
  const std::vector<NamedPolicy>& policies;
  const std::vector<std::uint64_t>& seeds;
  const OrderingPolicy& ordering;
  Writer* writer;
  Progress& progress;
  std::vector<EpisodeResult> results;  // [policy x seeds + seed]
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // guards `error`
  std::exception_ptr error;
};

constexpr std::uint64_t kBarSteps = 1000;  // of the progress bar, per run

void run_job(Campaign& c, std::size_t job) {
  std::uint64_t shown = 0;
  const auto advance_to = [&](std::uint64_t step) {
    c.progress.add(step - shown);
    shown = step;
  };
  const NamedPolicy& policy = c.policies[job / c.seeds.size()];
  const Seed seed{c.seeds[job % c.seeds.size()]};
  c.results[job] = run_episode(c.scenario, seed, policy, c.ordering, c.writer, [&](double share) {
    advance_to(static_cast<std::uint64_t>(share * (kBarSteps - 1)));
  });
  advance_to(kBarSteps);
}

void work(Campaign& c) {
  for (std::size_t job = c.next++; job < c.results.size(); job = c.next++) {
    try {
      run_job(c, job);
    } catch (...) {
      const std::scoped_lock lock(c.mutex);
      c.error = c.error ? c.error : std::current_exception();
      c.next = c.results.size();  // the other workers finish their current runs
    }
  }
}

std::vector<EpisodeResult> run_all(const Scenario& scenario,
                                   const std::vector<NamedPolicy>& policies,
                                   const std::vector<std::uint64_t>& seeds, Writer* writer,
                                   unsigned threads) {
  const std::size_t jobs = policies.size() * seeds.size();
  Progress progress(fmt::format("{} runs", jobs), jobs * kBarSteps);
  const auto ordering = resolve_ordering(scenario);
  Campaign c{scenario, policies, seeds, *ordering, writer, progress, {}, {}, {}, {}};
  c.results.resize(jobs);
  std::vector<std::thread> pool;
  for (unsigned t = 1; t < std::min<std::size_t>(threads, jobs); ++t) {
    pool.emplace_back([&c] { work(c); });
  }
  work(c);
  for (std::thread& thread : pool) {
    thread.join();
  }
  if (c.error) {
    std::rethrow_exception(c.error);
  }
  return std::move(c.results);
}

std::vector<PolicyRuns> by_policy(const std::vector<NamedPolicy>& policies, std::size_t seeds,
                                  const std::vector<EpisodeResult>& results) {
  std::vector<PolicyRuns> runs;
  for (std::size_t p = 0; p < policies.size(); ++p) {
    runs.push_back({policies[p].name, policies[p].baseline, {}});
    for (std::size_t s = 0; s < seeds; ++s) {
      runs.back().runs.push_back(results[p * seeds + s].metrics);
    }
  }
  return runs;
}

// A digest of all runs of a policy: their sum, which does not depend on the order.
std::uint64_t policy_digest(const std::vector<EpisodeResult>& results, std::size_t policy,
                            std::size_t seeds) {
  std::uint64_t sum = 0;
  for (std::size_t s = 0; s < seeds; ++s) {
    sum += results[policy * seeds + s].digest;
  }
  return sum;
}

std::string ranking_text(const Comparison& comparison) {
  TextTable table({"rank  policy", "objective, s", "difference, s", "relative", "p (Holm)"});
  const double best = comparison.row(comparison.best_baseline, kRankingMetric).value.mean;
  for (std::size_t i = 0; i < comparison.ranking.size(); ++i) {
    const ComparisonRow& row = comparison.row(comparison.ranking[i], kRankingMetric);
    const bool reference = row.policy == comparison.best_baseline;
    table.add({fmt::format("{:>4}  {}", i + 1, row.policy), interval_text(row.value),
               reference ? "best baseline" : interval_text(row.difference, true),
               reference ? "" : fmt::format("{:+.1f} %", 100 * row.difference.mean / best),
               std::isnan(row.p_value) ? "-" : fmt::format("{:.2g}", row.p_value)});
  }
  return table.text();
}

std::string means_text(const Comparison& comparison) {
  TextTable table({"mean over seeds", "E2E", "E2E p99", "TTFT", "TTFT p99", "TPOT", "SLO",
                   "goodput/s", "compute", "refused"});
  for (const std::string& policy : comparison.ranking) {
    const auto value = [&](const char* metric) {
      return comparison.row(policy, metric).value.mean;
    };
    table.add({policy, seconds_text(value("e2e_s_mean")), seconds_text(value("e2e_s_p99")),
               seconds_text(value("ttft_s_mean")), seconds_text(value("ttft_s_p99")),
               seconds_text(value("tpot_s_mean")), percent_text(value("slo_attainment")),
               number_text(value("goodput_per_s")), percent_text(value("compute_utilisation")),
               number_text(value("rejected_too_long") + value("rejected_by_policy"))});
  }
  return table.text();
}

// What the table shows, one sentence per policy.
std::string verdict_text(const Comparison& comparison, std::size_t seeds) {
  std::string out;
  for (const std::string& policy : comparison.ranking) {
    const ComparisonRow& row = comparison.row(policy, kRankingMetric);
    if (policy == comparison.best_baseline || std::isnan(row.difference.low)) {
      continue;
    }
    const char* verdict = row.difference.high < 0  ? "better than"
                          : row.difference.low > 0 ? "worse than"
                                                   : "not distinguishable from";
    out += fmt::format("{} is {} {}.\n", policy, verdict, comparison.best_baseline);
  }
  return out.empty() && seeds < 2 ? "One seed gives no confidence interval.\n" : out;
}

std::string evaluation_text(const Scenario& scenario, const std::vector<NamedPolicy>& policies,
                            const std::vector<std::uint64_t>& seeds,
                            const std::vector<EpisodeResult>& results, const Comparison& comparison,
                            double wall_s) {
  std::string out = scenario_text(scenario);
  out += fmt::format("runs     {} policies x {} seed{}, ordering {}\n\n", policies.size(),
                     seeds.size(), seeds.size() == 1 ? "" : "s", scenario.dispatch.ordering);
  out += ranking_text(comparison) + "\n" + means_text(comparison) + "\n";
  out += verdict_text(comparison, seeds.size());
  out +=
      "Intervals are 95 % (bootstrap over seeds). Differences are paired by seed. Lower is "
      "better.\n\n";
  double requests = 0;
  for (const EpisodeResult& r : results) {
    requests += static_cast<double>(r.metrics.counts.arrived);
  }
  out += fmt::format("speed    {} in total, {} requests/s\n", seconds_text(wall_s),
                     count_text(static_cast<std::uint64_t>(requests / wall_s)));
  for (std::size_t p = 0; p < policies.size(); ++p) {
    out += fmt::format("{} {}  {}\n", p == 0 ? "digests " : "        ",
                       digest_text(policy_digest(results, p, seeds.size())), policies[p].name);
  }
  return out;
}

// Throws BadInput when a run has no objective because refusing its tasks costs nothing: then the
// policy that refuses most would rank first.
void check_objectives(const Scenario& scenario, const std::vector<PolicyRuns>& policies,
                      const std::vector<std::uint64_t>& seeds) {
  for (const PolicyRuns& policy : policies) {
    for (std::size_t s = 0; s < policy.runs.size(); ++s) {
      const Metrics& m = policy.runs[s];
      if (m.counted > 0 && std::isnan(m.objective_s)) {
        throw BadInput(fmt::format(
            "{}: objective.reject_penalty: missing, and {} of {} counted tasks were refused under "
            "{} with seed {}: without a cost of a refusal, refusing everything would rank first "
            "(expected a duration, such as twice the longest slo.e2e)",
            scenario.path, m.counted - m.e2e.count, m.counted, policy.policy, seeds[s]));
      }
    }
  }
}

nlohmann::ordered_json interval_json(const Interval& i) {
  return {{"mean", i.mean}, {"low", i.low}, {"high", i.high}};
}

nlohmann::ordered_json evaluation_json(const Scenario& scenario,
                                       const std::vector<NamedPolicy>& policies,
                                       const std::vector<std::uint64_t>& seeds,
                                       const std::vector<EpisodeResult>& results,
                                       const Comparison& comparison, double wall_s) {
  nlohmann::ordered_json json = {
      {"scenario", scenario_json(scenario)},       {"seeds", seeds},
      {"ranking_metric", kRankingMetric},          {"ranking", comparison.ranking},
      {"best_baseline", comparison.best_baseline}, {"wall_s", wall_s}};
  for (std::size_t p = 0; p < policies.size(); ++p) {
    nlohmann::ordered_json policy = {{"baseline", policies[p].baseline}};
    for (const ComparisonRow& row : comparison.rows) {
      if (row.policy == policies[p].name) {
        policy["metrics"][row.metric] = {{"value", interval_json(row.value)},
                                         {"difference", interval_json(row.difference)}};
        if (row.metric == kRankingMetric) {
          policy["p_value"] = row.p_value;
        }
      }
    }
    for (std::size_t s = 0; s < seeds.size(); ++s) {
      policy["digests"].push_back(digest_text(results[p * seeds.size() + s].digest));
    }
    json["policies"][policies[p].name] = std::move(policy);
  }
  return json;
}

int evaluate(const EvaluateOptions& options) {
  options.output.check();
  const Scenario scenario = options.scenario.load();
  const std::vector<NamedPolicy> policies = resolve_policies(
      options.policies.empty() ? scenario.policies : join_knobs(split_list(options.policies)));
  const std::vector<std::uint64_t> seeds =
      options.seeds.empty() ? scenario.seeds : parse_seeds(options.seeds);
  check_windows(scenario, seeds);
  check_held_out(scenario, policies, seeds);
  std::optional<Writer> writer;
  if (!options.output.file.empty()) {
    writer.emplace(options.output.file, scenario, origin(), options.output.force);
  }
  const auto start = std::chrono::steady_clock::now();
  const std::vector<EpisodeResult> results = run_all(
      scenario, policies, seeds, writer ? &*writer : nullptr,
      options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency()));
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  const std::vector<PolicyRuns> runs = by_policy(policies, seeds.size(), results);
  check_objectives(scenario, runs, seeds);
  const Comparison comparison = compare(runs);
  if (writer) {
    writer->add_summary(comparison.rows);
    writer->commit();
  }
  if (options.output.json) {
    fmt::print(
        "{}\n",
        evaluation_json(scenario, policies, seeds, results, comparison, wall.count()).dump(2));
  } else {
    fmt::print("{}", evaluation_text(scenario, policies, seeds, results, comparison, wall.count()));
    if (writer) {
      fmt::print("wrote    {}\n", options.output.file);
    }
  }
  return kExitOk;
}

}  // namespace

void add_evaluate_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<EvaluateOptions>();
  CLI::App& command = *app.add_subcommand(
      "evaluate", "Compare policies on the same seeds, with intervals and paired differences");
  options->scenario.add_to(command);
  command
      .add_option(
          "-p,--policies", options->policies,
          "Rules (`yardmaster list policies`) and checkpoints, separated by commas; default: "
          "the scenario's compare.policies")
      ->type_name("A,B:KNOB=VALUE,FILE");
  command
      .add_option("-s,--seeds", options->seeds,
                  "1000..1019 or 1,2,5; default: the scenario's compare.seeds. Seeds that a "
                  "checkpoint was trained on are refused")
      ->type_name("SEEDS");
  command
      .add_option("-t,--threads", options->threads,
                  "Number of runs in parallel; 0: one per core. Results do not depend on it")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  options->output.add_to(command);
  command.callback([options, &chosen] { chosen = [options] { return evaluate(*options); }; });
}

}  // namespace yardmaster
