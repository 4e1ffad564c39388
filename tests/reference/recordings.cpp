#include "tests/reference/recordings.h"

#include <cstdlib>
#include <filesystem>

namespace yardmaster::reference {

std::string data_folder() {
  const char* given = std::getenv("YARDMASTER_DATA");
  return given != nullptr ? given : std::string(YARDMASTER_SOURCE_DIR) + "/../shared/data";
}

std::vector<RecordedCase> all_recordings(const std::string& path) {
  std::vector<RecordedCase> cases;
  if (std::filesystem::exists(path)) {
    read_recordings(path, [&](const RecordedCase& c) { cases.push_back(c); });
  }
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

}  // namespace yardmaster::reference
