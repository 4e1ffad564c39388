// Compares the fast node with the slow one: every integer of every request, over thousands of
// random nodes, loads, memory pressures, crashes, cancellations and changes of speed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>

#include "tests/reference/node_adapter.h"
#include "tests/reference/random_trial.h"
#include "tests/reference/slow_node.h"

namespace yardmaster::reference {
namespace {

std::string show(const RequestFacts& f) {
  std::ostringstream out;
  const auto when = [&](const char* name, Time t) {
    out << " " << name << " " << (t.is_never() ? std::string("-") : std::to_string(t.ps));
  };
  constexpr const char* kEnds[] = {"unfinished", "finished", "cancelled", "failed"};
  out << kEnds[static_cast<std::size_t>(f.end)];
  when("at", f.ended);
  when("scheduled", f.first_scheduled);
  when("first_token", f.first_token);
  for (const Time t : f.preempted) {
    when("preempted", t);
  }
  return out.str();
}

/// Compares the facts that both nodes report.
bool same(const RequestFacts& a, const RequestFacts& b) {
  return a.end == b.end && a.ended == b.ended && a.first_scheduled == b.first_scheduled &&
         a.first_token == b.first_token && a.preempted == b.preempted;
}

FastNode& run(FastNode& node, const std::vector<ScriptEvent>& script) {
  for (const ScriptEvent& event : script) {
    node.apply(event);
  }
  node.drain();
  return node;
}

/// Empty when both agree, else the first request on which they differ.
std::string difference(const SlowNode& slow, const FastNode& fast) {
  if (slow.facts().size() != fast.facts().size()) {
    return "different numbers of requests";
  }
  for (const auto& [id, want] : slow.facts()) {
    const RequestFacts& got = fast.facts().at(id);
    if (!same(want, got)) {
      return "request " + std::to_string(id) + "\n    slow: " + show(want) +
             "\n    fast: " + show(got);
    }
  }
  return "";
}

/// Compares counters of the fast node with the steps of the slow one.
std::string counter_difference(const SlowNode& slow, const FastNode& fast) {
  const NodeCounters& got = fast.counters();
  std::ostringstream out;
  const auto compare = [&](const char* name, std::int64_t want, std::int64_t have) {
    if (want != have) {
      out << name << ": slow " << want << ", fast " << have << "; ";
    }
  };
  std::int64_t steps = 0, prefill = 0, decode = 0, context = 0, pairs = 0, preemptions = 0;
  std::int64_t cached = 0;
  Duration busy, busy_with_prefill;
  for (const Step& step : slow.steps()) {
    bool chunks = false;
    preemptions += static_cast<std::int64_t>(step.preempted.size());
    for (const auto& [id, tokens] : step.hits) {
      cached += tokens;
    }
    if (!step.ended) {
      continue;  // empty, or void by a crash
    }
    ++steps;
    for (const Entry& e : step.entries) {
      chunks = chunks || e.chunk;
    }
    for (const Entry& e : step.entries) {
      if (e.chunk) {
        prefill += e.tokens;
        pairs += 2LL * e.before * e.tokens + static_cast<std::int64_t>(e.tokens) * e.tokens;
      } else {
        decode += 1;
        context += e.before;
      }
    }
    busy += step.lasts;
    busy_with_prefill += chunks ? step.lasts : Duration::zero();
  }
  compare("steps", steps, got.steps);
  compare("prefill_tokens", prefill, got.prefill_tokens);
  compare("cached_tokens", cached, got.cached_tokens);
  compare("decode_tokens", decode, got.decode_tokens);
  compare("context_tokens", context, got.context_tokens);
  compare("chunk_pairs", pairs, got.chunk_pairs);
  compare("preemptions", preemptions, got.preemptions);
  compare("busy", busy.ps, got.busy.ps);
  compare("busy_with_prefill", busy_with_prefill.ps, got.busy_with_prefill.ps);
  return out.str();
}

/// Compares moments of finished requests, which must sum to their latency.
std::string moment_difference(const SlowNode& slow, const FastNode& fast) {
  for (const auto& [id, want] : slow.facts()) {
    if (want.end != End::finished) {
      continue;
    }
    const Request& got = fast.records().at(id);
    Duration sum;
    for (std::size_t m = 0; m < kMomentCount; ++m) {
      const bool network = m == static_cast<std::size_t>(Moment::network);
      const Duration wanted = network ? fast.response_latency() : want.moments[m];
      sum += got.moments[m];
      if (got.moments[m] != wanted) {
        return "request " + std::to_string(id) + " " + kMomentNames[m] + ": slow " +
               std::to_string(wanted.ps) + ", fast " + std::to_string(got.moments[m].ps);
      }
    }
    if (sum != got.last_token - got.delivered) {
      return "request " + std::to_string(id) + ": the moments do not sum to the latency";
    }
  }
  return "";
}

/// Removes events while the two still differ, which leaves a small case to debug.
Trial shrink(Trial trial, Driving driving) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (std::size_t i = trial.script.size(); i-- > 0;) {
      Trial candidate = trial;
      const ScriptEvent gone = candidate.script[i];
      candidate.script.erase(candidate.script.begin() + static_cast<std::ptrdiff_t>(i));
      if (gone.kind == ScriptEvent::Kind::deliver) {
        std::erase_if(candidate.script, [&](const ScriptEvent& e) {
          return e.kind == ScriptEvent::Kind::cancel && e.id == gone.id;
        });
      }
      FastNode fast(candidate.settings, driving, paths_of(candidate.script));
      if (!difference(run_script(candidate.settings, candidate.script), run(fast, candidate.script))
               .empty()) {
        trial = std::move(candidate);
        smaller = true;
      }
    }
  }
  return trial;
}

std::string smallest_case(const Trial& trial, Driving driving) {
  const Trial small = shrink(trial, driving);
  FastNode fast(small.settings, driving, paths_of(small.script));
  return describe(small) +
         difference(run_script(small.settings, small.script), run(fast, small.script));
}

/// How the trial of a seed is driven.
Driving driving_of(std::uint64_t seed) {
  Driving driving;
  driving.seed = seed;
  driving.eager = seed % 3 != 0;
  driving.extra_cuts = static_cast<int>(seed % 5);
  driving.copies = seed % 7 == 0;
  return driving;
}

void expect_equal_nodes(std::uint64_t first, std::uint64_t last, bool mishaps) {
  int preempted = 0, cancelled = 0, failed = 0;
  for (std::uint64_t seed = first; seed < last; ++seed) {
    const Trial trial = random_trial(seed, mishaps);
    const Driving driving = driving_of(seed);
    const SlowNode slow = run_script(trial.settings, trial.script);
    FastNode fast(trial.settings, driving, paths_of(trial.script));
    run(fast, trial.script);
    ASSERT_EQ(difference(slow, fast), "") << smallest_case(trial, driving);
    const bool crashed = std::any_of(trial.script.begin(), trial.script.end(), [](const auto& e) {
      return e.kind == ScriptEvent::Kind::crash;
    });
    if (!crashed) {  // the fast node has already counted the work of a step that a crash voids
      ASSERT_EQ(counter_difference(slow, fast), "") << describe(trial);
    }
    ASSERT_EQ(moment_difference(slow, fast), "") << describe(trial);
    for (const auto& [id, facts] : slow.facts()) {
      preempted += facts.preempted.empty() ? 0 : 1;
      cancelled += facts.end == End::cancelled ? 1 : 0;
      failed += facts.end == End::failed ? 1 : 0;
    }
  }
  std::printf("%d requests preempted, %d cancelled, %d failed\n", preempted, cancelled, failed);
  EXPECT_GT(preempted, 200);  // else the trials prove nothing about preemption
  if (mishaps) {
    EXPECT_GT(cancelled, 200);
    EXPECT_GT(failed, 200);
  }
}

TEST(NodeDifferential, FastNodeEqualsSlowNodeInEveryIntegerUnderLoadAndMemoryPressure) {
  expect_equal_nodes(1, 4001, false);
}

TEST(NodeDifferential, FastNodeEqualsSlowNodeInEveryIntegerWithCrashesCancelsAndSlowdowns) {
  expect_equal_nodes(100'001, 104'001, true);
}

std::string show(const NodeLoad& load) {
  std::ostringstream out;
  out << "running " << load.running << " waiting " << load.waiting << " blocks " << load.used_blocks
      << " prefill " << load.prefill_tokens << " context " << load.context_tokens;
  return out.str();
}

std::string show(const NodeCounters& c) {
  std::ostringstream out;
  out << "steps " << c.steps << " prefill " << c.prefill_tokens << " decode " << c.decode_tokens
      << " samples " << c.other_samples << " context " << c.context_tokens << " pairs "
      << c.chunk_pairs << " busy " << c.busy.ps << " with prefill " << c.busy_with_prefill.ps;
  return out.str();
}

// Counters as of an instant book the same part of a segment wherever segments end and steps close.
TEST(NodeDifferential, CountersAsOfAnInstantDoNotDependOnSegmentsNorOnWhenTheNodeWasCaughtUp) {
  constexpr std::int64_t kProbes = 12;  // between two events
  for (std::uint64_t seed = 300'001; seed < 302'001; ++seed) {
    const Trial trial = random_trial(seed, true);
    FastNode lazy(trial.settings, {false, 0, false, true, seed}, paths_of(trial.script));
    FastNode busy(trial.settings, {true, 3, true, true, seed, true}, paths_of(trial.script));
    Time before, looked;
    Duration worked;
    for (const ScriptEvent& event : trial.script) {
      for (std::int64_t probe = 1; probe <= kProbes; ++probe) {
        const Time at{before.ps + (event.at - before).ps / kProbes * probe};
        const NodeCounters counters = lazy.counters_at(at);
        ASSERT_EQ(show(counters), show(busy.counters_at(at))) << "at " << at.ps << "\n"
                                                              << describe(trial);
        ASSERT_GE(counters.busy, worked);
        ASSERT_LE(counters.busy - worked, at - looked);
        worked = counters.busy;
        looked = at;
      }
      before = event.at;
      lazy.apply(event);
      busy.apply(event);
    }
  }
}

// A report shows the present state of a node, however far its lazy plans have advanced and wherever
// its segments end: with a recorder they end at every change.
TEST(NodeDifferential, ReportsDoNotDependOnWhenTheNodeWasCaughtUpNorOnItsSegments) {
  constexpr std::int64_t kProbes = 12;  // between two events
  for (std::uint64_t seed = 200'001; seed < 202'001; ++seed) {
    const Trial trial = random_trial(seed, true);
    FastNode lazy(trial.settings, {false, 0, false, true, seed}, paths_of(trial.script));
    FastNode busy(trial.settings, {true, 3, true, true, seed, true}, paths_of(trial.script));
    Time before;
    for (const ScriptEvent& event : trial.script) {
      for (std::int64_t probe = 1; probe <= kProbes; ++probe) {
        const Time at{before.ps + (event.at - before).ps / kProbes * probe};
        const NodeLoad load = lazy.load(at);
        ASSERT_EQ(show(load), show(busy.load(at))) << "at " << at.ps << "\n" << describe(trial);
        ASSERT_LE(load.running, trial.settings.rules.max_num_seqs);
        ASSERT_GE(load.used_blocks, 0);
        ASSERT_LE(load.used_blocks, trial.settings.grant.blocks);
      }
      before = event.at;
      lazy.apply(event);
      busy.apply(event);
    }
  }
}

// At instants between events of the node: at such an event a report may show either side of it.
// Synchronous nodes only: what a report shows of a step that is planned ahead is a convention.
TEST(NodeDifferential, ReportsOfSynchronousNodesShowTheSeatsQueueAndMemoryOfTheSlowNode) {
  constexpr std::int64_t kProbes = 5;  // between two events
  int compared = 0, waiting = 0;
  for (std::uint64_t seed = 300'001; seed < 301'001; ++seed) {
    Trial trial = random_trial(seed, false);
    trial.settings.rules.steps_in_flight = 1;
    FastNode fast(trial.settings, {true, 0, false, true, seed}, paths_of(trial.script));
    SlowNode slow(trial.settings);
    Time before;
    for (const ScriptEvent& event : trial.script) {
      for (std::int64_t probe = 1; probe < kProbes; ++probe) {
        const Time at{before.ps + (event.at - before).ps / kProbes * probe};
        if (at <= before) {
          continue;
        }
        slow.run_until(at);
        if (!slow.steps().empty() && slow.steps().back().start + slow.steps().back().lasts == at) {
          continue;
        }
        const NodeLoad load = fast.load(at);
        ASSERT_EQ(load.running, slow.running()) << "at " << at.ps << "\n" << describe(trial);
        ASSERT_EQ(load.waiting, slow.waiting_at(at)) << "at " << at.ps << "\n" << describe(trial);
        ASSERT_EQ(load.used_blocks, trial.settings.grant.blocks - slow.free_blocks())
            << "at " << at.ps << "\n"
            << describe(trial);
        ++compared;
        waiting += load.waiting > 0 ? 1 : 0;
      }
      before = event.at;
      fast.apply(event);
      slow.apply(event);
    }
  }
  EXPECT_GT(compared, 10'000);
  EXPECT_GT(waiting, 1'000);
}

TEST(NodeDifferential, AReportShowsARequestThatArrivedBeforeItAndNoneThatArrivesWithIt) {
  Trial trial = random_trial(1, false);
  ScriptEvent delivery;
  delivery.arrives = Time{1'000'000};
  delivery.prompt_tokens = 10;
  delivery.output_tokens = 1;
  FastNode node(trial.settings, {}, paths_of({delivery}));
  node.apply(delivery);
  EXPECT_EQ(node.load(delivery.arrives).waiting, 0);
  const NodeLoad after = node.load(Time{delivery.arrives.ps + 1});
  EXPECT_EQ(after.waiting + after.running, 1);
}

}  // namespace
}  // namespace yardmaster::reference
