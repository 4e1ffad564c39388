#include "tools/validation/recording.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "env/node/solo_node.h"
#include "tools/command.h"

namespace yardmaster {
namespace {

using Json = nlohmann::json;

Time time_or_never(const Json& value) {
  return value.is_null() ? Time::never() : Time{value.get<std::int64_t>()};
}

TaskSlot slot(const Json& value, const RecordedCase& c) {
  const auto number = value.get<std::size_t>();
  if (number >= c.requests.size()) {
    throw BadInput(fmt::format("step names request {} of {}", number, c.requests.size()));
  }
  return static_cast<TaskSlot>(number);
}

std::vector<TaskSlot> slots(const Json& step, const char* key, const RecordedCase& c) {
  std::vector<TaskSlot> all;
  for (const Json& value : step.value(key, Json::array())) {
    all.push_back(slot(value, c));
  }
  return all;
}

void read_settings(const Json& json, RecordedCase& out) {
  const Json& s = json.at("settings");
  NodeSettings& n = out.settings;
  out.engine = json.at("vllm").get<std::string>();
  const std::optional<EngineRules> rules = rules_of_vllm(out.engine);
  if (!rules) {
    throw BadInput(fmt::format("the rules of vllm \"{}\" are not known", out.engine));
  }
  n.rules.engine = *rules;
  if (s.at("block_size").get<std::int32_t>() != kBlockTokens) {
    throw BadInput(fmt::format("block_size is not {}", kBlockTokens));
  }
  const std::string policy = s.at("policy").get<std::string>();
  if (policy != "fcfs" && policy != "priority") {
    throw BadInput(fmt::format("policy \"{}\" (expected fcfs or priority)", policy));
  }
  n.rules.policy = policy == "fcfs" ? QueuePolicy::fcfs : QueuePolicy::priority;
  n.rules.enable_prefix_caching = s.at("enable_prefix_caching").get<bool>();
  n.rules.reserve_full_isl = s.at("reserve_full_isl").get<bool>();
  n.rules.long_prefill_token_threshold = s.at("long_prefill_token_threshold").get<std::int32_t>();
  n.rules.watermark_blocks = s.value("watermark_blocks", 0);
  n.rules.max_num_batched_tokens = s.at("max_num_batched_tokens").get<std::int32_t>();
  n.rules.max_num_seqs = s.at("max_num_seqs").get<std::int32_t>();
  n.grant.blocks = s.at("usable_blocks").get<std::int32_t>();
  n.rules.max_model_len = s.at("max_model_len").get<std::int32_t>();
  n.rules.steps_in_flight = s.at("async").get<bool>() ? 2 : 1;
  n.rules.recomputed_output_is_context = true;
  if (n.rules.max_num_seqs < 1 || n.rules.max_num_batched_tokens < n.rules.max_num_seqs ||
      n.grant.blocks < 1 || n.rules.max_model_len < 2 || n.rules.long_prefill_token_threshold < 0 ||
      n.rules.watermark_blocks < 0) {
    throw BadInput("settings that no engine starts with");
  }
  const Json& c = json.at("cost");
  out.step_cost = {c.at("h0_ps").get<std::int64_t>()};
  out.entry_cost = {c.at("h1_ps").get<std::int64_t>()};
  out.token_cost = {c.at("tok_ps").get<std::int64_t>()};
  out.context_cost = {c.at("ctx_ps").get<std::int64_t>()};
  if (std::min({out.step_cost, out.entry_cost, out.token_cost, out.context_cost}).ps < 0 ||
      out.step_cost.ps + out.entry_cost.ps + out.token_cost.ps < 1) {
    throw BadInput("cost: expected numbers of 0 or more, and a step of one token that takes time");
  }
  n.costs =
      CostBook(StepCost::affine(out.step_cost, out.entry_cost, out.token_cost, out.context_cost,
                                {n.rules.max_num_seqs, n.rules.max_num_batched_tokens}));
}

void read_requests(const Json& json, RecordedCase& out) {
  for (const Json& r : json.at("requests")) {
    RecordedRequest request;
    request.arrival = Time{r.at("arrival_ps").get<std::int64_t>()};
    request.prompt_tokens = r.at("prompt_len").get<std::int32_t>();
    request.output_tokens = r.at("output_len").get<std::int32_t>();
    request.priority = r.value("priority", 0.0);
    request.stop_token = r.value("eos", 0) != 0;
    if (request.prompt_tokens < 1 || request.output_tokens < 1 ||
        (!out.requests.empty() && request.arrival < out.requests.back().arrival)) {
      throw BadInput(
          fmt::format("request {}: no tokens, or not in order of arrival", out.requests.size()));
    }
    for (const Json& run : r.value("blocks", Json::array())) {
      request.blocks.emplace_back(run.at(0).get<std::int64_t>(), run.at(1).get<std::int32_t>());
    }
    const Json& met = r.at("r");
    request.outcome = {time_or_never(met.at(0)),
                       time_or_never(met.at(1)),
                       time_or_never(met.at(2)),
                       met.at(3).get<std::int32_t>(),
                       met.at(4).get<std::int32_t>(),
                       met.at(5).is_null() ? 0 : met.at(5).get<std::int32_t>(),
                       met.at(6).get<std::string>() == "stuck"};
    out.requests.push_back(std::move(request));
  }
}

void read_steps(const Json& json, RecordedCase& out) {
  std::vector<std::int32_t> next(out.requests.size());  // computed after the previous entry
  for (const Json& s : json.at("steps")) {
    RecordedStep step;
    step.planned = Time{s.at("q").get<std::int64_t>()};
    step.start = Time{s.value("s", step.planned.ps)};
    step.lasts = {s.at("d").get<std::int64_t>()};
    step.free_blocks = s.at("f").get<std::int32_t>();
    for (const Json& e : s.at("e")) {
      PlannedEntry entry;
      const bool bare = e.is_number();
      entry.task = slot(bare ? e : e.at(0), out);
      entry.tokens = bare ? 1 : e.at(1).get<std::int32_t>();
      entry.before = bare ? next[index(entry.task)] : e.at(2).get<std::int32_t>();
      next[index(entry.task)] = entry.before + entry.tokens;
      step.entries.push_back(entry);
    }
    step.admitted = slots(s, "a", out);
    step.preempted = slots(s, "p", out);
    for (const Json& hit : s.value("h", Json::array())) {
      step.hits.push_back({slot(hit.at(0), out), hit.at(1).get<std::int32_t>()});
    }
    out.steps.push_back(std::move(step));
  }
}

RecordedCase read_case(const std::string& line) {
  const Json json = Json::parse(line);
  RecordedCase out;
  out.id = json.at("id").get<std::string>();
  out.regime = json.value("regime", "");
  read_settings(json, out);
  read_requests(json, out);
  read_steps(json, out);
  return out;
}

/// Appends the single steps of a segment.
void expand(const PlannedSegment& segment, const NodeSettings& settings,
            std::vector<RecordedStep>& out) {
  RecordedStep step;
  step.planned = segment.planned;
  step.start = segment.start;
  step.entries = segment.entries;
  step.admitted = segment.admitted;
  step.preempted = segment.preempted;
  step.hits = segment.hits;
  step.free_blocks = segment.free_blocks;
  if (segment.steps == 0) {
    out.push_back(step);
  }
  for (std::int64_t j = 0; j < segment.steps; ++j) {
    step.lasts = segment.length.first + segment.length.growth * j;
    out.push_back(step);
    // The next one is planned when the one before this, or this one, has ended.
    step.planned = settings.rules.steps_in_flight == 1 ? step.start + step.lasts : step.start;
    step.start = step.start + step.lasts;
    step.admitted.clear();
    step.preempted.clear();
    step.hits.clear();
    for (PlannedEntry& e : step.entries) {
      const std::int32_t held = blocks_for(e.before + e.tokens);
      e.before += e.tokens;
      step.free_blocks -= blocks_for(e.before + e.tokens) - held;
    }
  }
}

/// Counts tokens as steps sample them, because a request may never finish.
void count_tokens(const RecordedCase& c, ReplayedCase& replay) {
  for (const RecordedStep& step : replay.steps) {
    for (const PlannedEntry& e : step.entries) {
      const RecordedRequest& request = c.requests[index(e.task)];
      RequestOutcome& outcome = replay.outcomes[index(e.task)];
      if (e.before + e.tokens == request.prompt_tokens + outcome.produced &&
          outcome.produced < request.output_tokens) {
        ++outcome.produced;
        outcome.last_token = step.start + step.lasts;
      }
    }
    for (const TaskSlot task : step.preempted) {
      ++replay.outcomes[index(task)].preemptions;
    }
  }
}

}  // namespace

void read_recordings(const std::string& path, const std::function<void(const RecordedCase&)>& use) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (file == nullptr) {
    throw BadInput(path + ": cannot be read");
  }
  std::string line;
  std::array<char, 1 << 16> buffer{};
  for (int number = 1;
       gzgets(file.get(), buffer.data(), static_cast<int>(buffer.size())) != nullptr;) {
    line += buffer.data();
    if (line.back() != '\n' && gzeof(file.get()) == 0) {
      continue;
    }
    try {
      use(read_case(line));
    } catch (const Json::exception& error) {
      throw BadInput(fmt::format("{}:{}: {}", path, number, error.what()));
    } catch (const BadInput& error) {
      throw BadInput(fmt::format("{}:{}: {}", path, number, error.what()));
    }
    line.clear();
    ++number;
  }
  int error = Z_OK;
  const char* message = gzerror(file.get(), &error);
  if (error != Z_OK) {
    throw BadInput(fmt::format("{}: {}", path, message));
  }
}

PromptPaths paths_of(const RecordedCase& c) {
  PathBuilder builder(1);
  std::vector<std::uint64_t> ids;
  for (const RecordedRequest& request : c.requests) {
    ids.clear();
    for (const auto& [first, count] : request.blocks) {
      for (std::int32_t i = 0; i < count; ++i) {
        ids.push_back(static_cast<std::uint64_t>(first + i));
      }
    }
    if (!builder.add(ids, static_cast<std::int32_t>(ids.size()))) {
      throw BadInput(fmt::format("case {}: equal block ids after different ones", c.id));
    }
  }
  return builder.build();
}

ReplayedCase replay(const RecordedCase& c) {
  constexpr std::int64_t kStepsBeyond = 16;
  NodeRecorder recorder;
  const PromptPaths paths = paths_of(c);
  SoloNode node(c.settings, c.requests.size(), &paths, &recorder);
  for (std::size_t i = 0; i < c.requests.size(); ++i) {
    const RecordedRequest& sent = c.requests[i];
    const auto task = static_cast<TaskSlot>(i);
    Request& request = node.request(task);
    request.spec.prompt_tokens = sent.prompt_tokens;
    request.spec.output_tokens =
        std::clamp(c.settings.rules.max_model_len - sent.prompt_tokens, 1, sent.output_tokens);
    request.spec.stop_token = sent.stop_token;
    request.priority = sent.priority;
    request.spec.path = PathId{static_cast<std::uint32_t>(i)};
    request.spec.address.workflow = static_cast<std::uint32_t>(i);
    node.deliver(task, sent.arrival);
  }
  ReplayedCase result;
  result.outcomes.resize(c.requests.size());
  for (RequestOutcome& outcome : result.outcomes) {
    outcome.stuck = true;
  }
  const auto most = static_cast<std::int64_t>(c.steps.size()) + kStepsBeyond;
  while (!node.done() && node.counters().steps < most) {
    for (const NodeOutput& output : node.advance()) {
      if (output.kind == NodeOutput::Kind::finished) {
        result.outcomes[index(output.task)].stuck = false;
        result.outcomes[index(output.task)].last_token = output.at;
      }
    }
  }
  for (const PlannedSegment& segment : recorder.segments) {
    expand(segment, c.settings, result.steps);
  }
  for (std::size_t i = 0; i < c.requests.size(); ++i) {
    const Request& request = node.request(static_cast<TaskSlot>(i));
    result.outcomes[i].first_scheduled = request.first_scheduled;
    result.outcomes[i].first_token = request.first_token;
  }
  count_tokens(c, result);
  for (const PlannedSegment& segment : recorder.segments) {
    for (const PlannedHit& hit : segment.hits) {
      if (segment.planned == result.outcomes[index(hit.task)].first_scheduled) {
        result.outcomes[index(hit.task)].cached_tokens = hit.tokens;
      }
    }
  }
  return result;
}

}  // namespace yardmaster
