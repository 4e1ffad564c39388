#include "tests/reference/recordings.h"

#include <zlib.h>

#include <array>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

namespace yardmaster::reference {
namespace {

using Json = nlohmann::json;

Time time_or_never(const Json& value) {
  return value.is_null() ? Time::never() : Time{value.get<std::int64_t>()};
}

void read_settings(const Json& json, RecordedCase& out) {
  const Json& s = json.at("settings");
  out.prefix_caching = s.at("enable_prefix_caching").get<bool>();
  out.policy = s.at("policy").get<std::string>();
  out.reserve_full_isl = s.at("reserve_full_isl").get<bool>();
  out.asynchronous = s.at("async").get<bool>();
  out.long_prefill_threshold = s.at("long_prefill_token_threshold").get<std::int32_t>();
  out.watermark_blocks = s.value("watermark_blocks", 0);
  NodeSettings& n = out.settings;
  n.max_num_batched_tokens = s.at("max_num_batched_tokens").get<std::int32_t>();
  n.max_num_seqs = s.at("max_num_seqs").get<std::int32_t>();
  n.usable_blocks = s.at("usable_blocks").get<std::int32_t>();
  n.max_model_len = s.at("max_model_len").get<std::int32_t>();
  n.steps_in_flight = out.asynchronous ? 2 : 1;
  const Json& c = json.at("cost");
  out.h0_ps = c.at("h0_ps").get<std::int64_t>();
  out.h1_ps = c.at("h1_ps").get<std::int64_t>();
  out.token_ps = c.at("tok_ps").get<std::int64_t>();
  out.context_ps = c.at("ctx_ps").get<std::int64_t>();
  n.cost.fill(StepCost::affine({out.h0_ps}, {out.h1_ps}, {out.token_ps}, {out.context_ps},
                               {n.max_num_seqs, n.max_num_batched_tokens}));
}

void read_requests(const Json& json, RecordedCase& out) {
  for (const Json& r : json.at("requests")) {
    ScriptEvent delivery;
    delivery.at = delivery.arrives = Time{r.at("arrival_ps").get<std::int64_t>()};
    delivery.id = static_cast<RequestId>(out.deliveries.size());
    delivery.prompt_tokens = r.at("prompt_len").get<std::int32_t>();
    delivery.output_tokens = r.at("output_len").get<std::int32_t>();
    delivery.stop_token = r.value("eos", 0) != 0;
    out.deliveries.push_back(delivery);
    const Json& met = r.at("r");
    out.requests.push_back({time_or_never(met[0]), time_or_never(met[1]), time_or_never(met[2]),
                            met[3].get<std::int32_t>(), met[4].get<std::int32_t>(),
                            met[6].get<std::string>() == "stuck"});
  }
}

void read_steps(const Json& json, RecordedCase& out) {
  std::map<RequestId, std::int32_t> next;  // computed tokens after the request's previous entry
  for (const Json& s : json.at("steps")) {
    Step step;
    step.planned = Time{s.at("q").get<std::int64_t>()};
    step.start = Time{s.value("s", step.planned.ps)};
    step.lasts = {s.at("d").get<std::int64_t>()};
    step.free_blocks = s.at("f").get<std::int32_t>();
    for (const Json& e : s.at("e")) {
      Entry entry;
      const bool bare = e.is_number();
      entry.id = (bare ? e : e[0]).get<RequestId>();
      entry.tokens = bare ? 1 : e[1].get<std::int32_t>();
      entry.before = bare ? next[entry.id] : e[2].get<std::int32_t>();
      next[entry.id] = entry.before + entry.tokens;
      step.entries.push_back(entry);
    }
    step.admitted = s.value("a", std::vector<RequestId>{});
    step.preempted = s.value("p", std::vector<RequestId>{});
    out.steps.push_back(std::move(step));
  }
}

RecordedCase read_case(const std::string& line) {
  const Json json = Json::parse(line);
  RecordedCase out;
  out.id = json.at("id").get<std::string>();
  out.regime = json.at("regime").get<std::string>();
  read_settings(json, out);
  read_requests(json, out);
  read_steps(json, out);
  return out;
}

}  // namespace

std::string data_folder() {
  const char* given = std::getenv("YARDMASTER_DATA");
  return given != nullptr ? given : std::string(YARDMASTER_SOURCE_DIR) + "/../shared/data";
}

std::vector<RecordedCase> read_recordings(const std::string& path) {
  std::vector<RecordedCase> cases;
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    return cases;
  }
  std::string line;
  std::array<char, 1 << 16> buffer{};
  while (gzgets(file, buffer.data(), static_cast<int>(buffer.size())) != nullptr) {
    line += buffer.data();
    if (!line.empty() && line.back() == '\n') {
      cases.push_back(read_case(line));
      line.clear();
    }
  }
  gzclose(file);
  if (!line.empty()) {
    cases.push_back(read_case(line));
  }
  return cases;
}

}  // namespace yardmaster::reference
