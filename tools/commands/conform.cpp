// `yardmaster conform`: compares the node's decisions with recordings of an engine's scheduler.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "env/base/check.h"
#include "tools/command.h"
#include "tools/validation/recording.h"

namespace yardmaster {
namespace {

struct ConformOptions {
  std::vector<std::string> files;
  bool json = false;
};

/// How much of a case, or of all cases together, agrees.
struct Agreement {
  std::int64_t cases = 0, agreeing_cases = 0;
  std::int64_t steps = 0, agreeing_steps = 0;  // all of a schedule() call except its times
  std::int64_t times = 0, agreeing_times = 0;  // three per step, three per request
  std::int64_t requests = 0, agreeing_requests = 0;

  [[nodiscard]] bool complete() const {
    return agreeing_steps == steps && agreeing_times == times && agreeing_requests == requests;
  }
  void add(const Agreement& other) {
    cases += other.cases;
    agreeing_cases += other.agreeing_cases;
    steps += other.steps;
    agreeing_steps += other.agreeing_steps;
    times += other.times;
    agreeing_times += other.agreeing_times;
    requests += other.requests;
    agreeing_requests += other.agreeing_requests;
  }
};

std::string time_text(Time t) { return t.is_never() ? "never" : std::to_string(t.ps); }

std::string slots_text(const std::vector<TaskSlot>& slots) {
  std::string text;
  for (const TaskSlot slot : slots) {
    text += fmt::format(" {}", index(slot));
  }
  return text.empty() ? " none" : text;
}

std::string text(const RecordedStep* step) {
  if (step == nullptr) {
    return "    no such step\n";
  }
  std::string entries, hits;
  for (const PlannedEntry& e : step->entries) {
    entries += fmt::format(" {}:{}+{}", index(e.task), e.before, e.tokens);
  }
  for (const PlannedHit& hit : step->hits) {
    hits += fmt::format(" {}:{}", index(hit.task), hit.tokens);
  }
  return fmt::format(
      "    planned {} start {} lasts {} free blocks {}\n"
      "    entries (request:before+tokens){}\n"
      "    admitted{}; hits{}; preempted{}\n",
      step->planned.ps, step->start.ps, step->lasts.ps, step->free_blocks,
      entries.empty() ? " none" : entries, slots_text(step->admitted),
      hits.empty() ? " none" : hits, slots_text(step->preempted));
}

std::string text(const RequestOutcome& o) {
  return fmt::format(
      "    first scheduled {} first token {} last token {} produced {} preemptions {} cached "
      "{}{}\n",
      time_text(o.first_scheduled), time_text(o.first_token), time_text(o.last_token), o.produced,
      o.preemptions, o.cached_tokens, o.stuck ? " stuck" : "");
}

bool same_decision(RecordedStep a, const RecordedStep& b) {
  a.planned = b.planned;
  a.start = b.start;
  a.lasts = b.lasts;
  return a == b;
}

std::int64_t equal_times(const RecordedStep& a, const RecordedStep& b) {
  return static_cast<std::int64_t>(a.planned == b.planned) +
         static_cast<std::int64_t>(a.start == b.start) +
         static_cast<std::int64_t>(a.lasts == b.lasts);
}

std::int64_t equal_times(const RequestOutcome& a, const RequestOutcome& b) {
  return static_cast<std::int64_t>(a.first_scheduled == b.first_scheduled) +
         static_cast<std::int64_t>(a.first_token == b.first_token) +
         static_cast<std::int64_t>(a.last_token == b.last_token);
}

void compare_steps(const RecordedCase& c, const ReplayedCase& got, Agreement& agreement,
                   std::string& first) {
  for (std::size_t i = 0; i < std::max(c.steps.size(), got.steps.size()); ++i) {
    const RecordedStep* want = i < c.steps.size() ? &c.steps[i] : nullptr;
    const RecordedStep* have = i < got.steps.size() ? &got.steps[i] : nullptr;
    if (want != nullptr && have != nullptr) {
      agreement.agreeing_steps += same_decision(*want, *have) ? 1 : 0;
      agreement.agreeing_times += equal_times(*want, *have);
      if (*want == *have) {
        continue;
      }
    }
    if (first.empty()) {
      first = fmt::format("  step {}, recorded:\n{}  here:\n{}", i, text(want), text(have));
    }
  }
}

void compare_requests(const RecordedCase& c, const ReplayedCase& got, Agreement& agreement,
                      std::string& first) {
  for (std::size_t i = 0; i < c.requests.size(); ++i) {
    const RequestOutcome& want = c.requests[i].outcome;
    const RequestOutcome& have = got.outcomes[i];
    agreement.agreeing_requests += want == have ? 1 : 0;
    agreement.agreeing_times += equal_times(want, have);
    if (!(want == have) && first.empty()) {
      first = fmt::format("  request {}, recorded:\n{}  here:\n{}", i, text(want), text(have));
    }
  }
}

/// Compares. `first` receives the full text of the first difference.
Agreement compare(const RecordedCase& c, const ReplayedCase& got, std::string& first) {
  Agreement agreement;
  agreement.cases = 1;
  agreement.steps = static_cast<std::int64_t>(std::max(c.steps.size(), got.steps.size()));
  agreement.requests = static_cast<std::int64_t>(c.requests.size());
  agreement.times = 3 * (agreement.steps + agreement.requests);
  compare_steps(c, got, agreement, first);
  compare_requests(c, got, agreement, first);
  agreement.agreeing_cases = agreement.complete() ? 1 : 0;
  return agreement;
}

/// Replays. A case in which the node fails does not agree; the others are still replayed.
ReplayedCase replay_or_describe_bug(const RecordedCase& c, std::string& first) {
  try {
    return replay(c);
  } catch (const InternalFault& fault) {
    first = fmt::format("  {}\n", fault.what());
    return {{}, std::vector<RequestOutcome>(c.requests.size())};
  }
}

nlohmann::ordered_json json_of(const Agreement& a) {
  return {{"cases", a.cases},       {"agreeing_cases", a.agreeing_cases},
          {"steps", a.steps},       {"agreeing_steps", a.agreeing_steps},
          {"times", a.times},       {"agreeing_times", a.agreeing_times},
          {"requests", a.requests}, {"agreeing_requests", a.agreeing_requests}};
}

std::string summary(const Agreement& a) {
  return fmt::format("{} of {} steps, {} of {} times, {} of {} requests agree", a.agreeing_steps,
                     a.steps, a.agreeing_times, a.times, a.agreeing_requests, a.requests);
}

int conform(const ConformOptions& options) {
  Agreement all;
  nlohmann::ordered_json failing = nlohmann::ordered_json::array();
  std::string texts;
  for (const std::string& file : options.files) {
    Agreement in_file;
    read_recordings(file, [&](const RecordedCase& c) {
      std::string first;
      const Agreement agreement = compare(c, replay_or_describe_bug(c, first), first);
      in_file.add(agreement);
      if (agreement.complete()) {
        return;
      }
      texts += fmt::format("{}: case {} ({}, vllm {}): {}\n{}", file, c.id, c.regime, c.engine,
                           summary(agreement), first);
      nlohmann::ordered_json entry = {{"file", file}, {"case", c.id}, {"regime", c.regime}};
      entry.update(json_of(agreement));
      entry["first_difference"] = first;
      failing.push_back(entry);
    });
    if (in_file.cases == 0) {
      throw BadInput(file + ": no recorded case (expected one per line)");
    }
    texts += fmt::format("{}: {} of {} cases agree: {}\n", file, in_file.agreeing_cases,
                         in_file.cases, summary(in_file));
    all.add(in_file);
  }
  if (options.json) {
    nlohmann::ordered_json result = json_of(all);
    result["differences"] = failing;
    fmt::print("{}\n", result.dump(2));
  } else {
    fmt::print("{}total: {} of {} cases agree: {}\n", texts, all.agreeing_cases, all.cases,
               summary(all));
  }
  return all.complete() ? kExitOk : kExitFailure;
}

}  // namespace

void add_conform_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<ConformOptions>();
  CLI::App& command = *app.add_subcommand(
      "conform",
      "Compare every step and time of the node with recordings of an engine's scheduler");
  command
      .add_option("FILE", options->files,
                  "Recorded cases: one JSON object per line, plain or gzipped")
      ->required();
  command.add_flag("--json", options->json, "Print one JSON object on stdout and nothing else");
  command.callback([options, &chosen] { chosen = [options] { return conform(*options); }; });
}

}  // namespace yardmaster
