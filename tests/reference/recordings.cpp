#include "tests/reference/recordings.h"

#include <map>
#include <nlohmann/json.hpp>

namespace yardmaster::reference {

std::vector<RecordedCase> all_recordings(const std::string& path) {
  std::vector<RecordedCase> cases;
  read_recordings(path, [&](const RecordedCase& c) { cases.push_back(c); });
  return cases;
}

std::vector<ScriptEvent> deliveries(const RecordedCase& c) {
  std::vector<ScriptEvent> script;
  for (const RecordedRequest& request : c.requests) {
    ScriptEvent event;
    event.at = event.arrives = request.arrival;
    event.id = static_cast<RequestId>(script.size());
    event.prompt_tokens = request.prompt_tokens;
    event.output_tokens = request.output_tokens;
    event.stop_token = request.stop_token;
    event.priority = request.priority;
    for (const auto& [first, count] : request.blocks) {
      for (std::int32_t i = 0; i < count; ++i) {
        event.blocks.push_back(static_cast<BlockHash>(first + i) + 1);  // 0 names no block
      }
    }
    script.push_back(event);
  }
  return script;
}

std::vector<RecordedStep> recorded_steps(const SlowNode& node) {
  const auto slots = [](const std::vector<RequestId>& ids) {
    std::vector<TaskSlot> all;
    for (const RequestId id : ids) {
      all.push_back(static_cast<TaskSlot>(id));
    }
    return all;
  };
  std::vector<RecordedStep> steps;
  for (const Step& step : node.steps()) {
    RecordedStep out;
    out.planned = step.planned;
    out.start = step.start;
    out.lasts = step.lasts;
    out.admitted = slots(step.admitted);
    out.preempted = slots(step.preempted);
    out.free_blocks = step.free_blocks;
    for (const TaskSlot task : out.admitted) {
      const auto hit = step.hits.find(static_cast<RequestId>(task));
      if (hit != step.hits.end()) {
        out.hits.push_back({task, hit->second});
      }
    }
    for (const Entry& e : step.entries) {
      out.entries.push_back({static_cast<TaskSlot>(e.id), e.tokens, e.before});
    }
    steps.push_back(std::move(out));
  }
  return steps;
}

std::vector<RequestOutcome> outcomes(const SlowNode& node) {
  std::vector<RequestOutcome> all;
  for (const auto& [id, facts] : node.facts()) {
    RequestOutcome outcome;
    outcome.first_scheduled = facts.first_scheduled;
    outcome.first_token = facts.first_token;
    outcome.last_token = facts.last_token;
    outcome.produced = facts.produced;
    outcome.cached_tokens = facts.cached_tokens;
    outcome.preemptions = static_cast<std::int32_t>(facts.preempted.size());
    outcome.stuck = facts.end == End::unfinished;
    all.push_back(outcome);
  }
  return all;
}

namespace {

using Json = nlohmann::ordered_json;

Json json_of(Time t) { return t.is_never() ? Json() : Json(t.ps); }

Json json_of(const std::vector<TaskSlot>& slots) {
  Json all = Json::array();
  for (const TaskSlot slot : slots) {
    all.push_back(index(slot));
  }
  return all;
}

Json settings_json(const NodeSettings& n) {
  return {{"max_num_batched_tokens", n.rules.max_num_batched_tokens},
          {"max_num_seqs", n.rules.max_num_seqs},
          {"usable_blocks", n.grant.blocks},
          {"enable_prefix_caching", n.rules.enable_prefix_caching},
          {"policy", n.rules.policy == QueuePolicy::fcfs ? "fcfs" : "priority"},
          {"long_prefill_token_threshold", n.rules.long_prefill_token_threshold},
          {"watermark_blocks", n.rules.watermark_blocks},
          {"reserve_full_isl", n.rules.reserve_full_isl},
          {"max_model_len", n.rules.max_model_len},
          {"async", n.rules.steps_in_flight == 2},
          {"block_size", kBlockTokens}};
}

Json request_json(const RecordedRequest& request, const RequestOutcome& met) {
  Json json = {{"arrival_ps", request.arrival.ps},
               {"prompt_len", request.prompt_tokens},
               {"output_len", request.output_tokens},
               {"priority", request.priority}};
  if (request.stop_token) {
    json["eos"] = 1;
  }
  if (!request.blocks.empty()) {
    json["blocks"] = request.blocks;
  }
  const bool came = !met.first_scheduled.is_never();
  json["r"] = Json::array({json_of(met.first_scheduled), json_of(met.first_token),
                           json_of(met.last_token), met.produced, met.preemptions,
                           came ? Json(met.cached_tokens) : Json(), met.stuck ? "stuck" : "done"});
  return json;
}

Json step_json(const RecordedStep& step, std::map<TaskSlot, std::int32_t>& next) {
  Json json = {{"q", step.planned.ps}};
  if (step.start != step.planned) {
    json["s"] = step.start.ps;
  }
  json["d"] = step.lasts.ps;
  json["e"] = Json::array();
  for (const PlannedEntry& e : step.entries) {
    const bool bare = e.tokens == 1 && next[e.task] == e.before;
    json["e"].push_back(bare ? Json(index(e.task))
                             : Json::array({index(e.task), e.tokens, e.before}));
    next[e.task] = e.before + e.tokens;
  }
  json["f"] = step.free_blocks;
  for (const PlannedHit& hit : step.hits) {
    json["h"].push_back(Json::array({index(hit.task), hit.tokens}));
  }
  if (!step.admitted.empty()) {
    json["a"] = json_of(step.admitted);
  }
  if (!step.preempted.empty()) {
    json["p"] = json_of(step.preempted);
  }
  return json;
}

}  // namespace

std::string case_line(const RecordedCase& c) {
  const SlowNode node = run_script(c.settings, deliveries(c));
  const std::vector<RequestOutcome> met = outcomes(node);
  Json json = {{"id", c.id}, {"regime", c.regime}, {"vllm", c.engine}};
  json["settings"] = settings_json(c.settings);
  json["cost"] = {{"h0_ps", c.step_cost.ps},
                  {"h1_ps", c.entry_cost.ps},
                  {"tok_ps", c.token_cost.ps},
                  {"ctx_ps", c.context_cost.ps}};
  for (std::size_t i = 0; i < c.requests.size(); ++i) {
    json["requests"].push_back(request_json(c.requests[i], met[i]));
  }
  json["steps"] = Json::array();
  std::map<TaskSlot, std::int32_t> next;
  for (const RecordedStep& step : recorded_steps(node)) {
    json["steps"].push_back(step_json(step, next));
  }
  return json.dump() + "\n";
}

}  // namespace yardmaster::reference
