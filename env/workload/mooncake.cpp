#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "env/workload/trace_formats.h"

namespace yardmaster {

namespace {

using nlohmann::json;

constexpr std::int32_t kIdTokens = 512;

/// One line of the file.
struct Line {
  StampedRow stamped;
  std::vector<std::uint64_t> ids;
};

/// The whole number `key` in [least, most] of a line. Otherwise sets `error` and returns nothing.
std::optional<std::int64_t> whole(const json& object, const char* key, std::int64_t least,
                                  std::int64_t most, std::string& error) {
  const auto found = object.find(key);
  if (found == object.end()) {
    error = std::string(key) + " is missing";
    return std::nullopt;
  }
  const bool in_range = found->is_number_unsigned() &&
                        found->get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
  if (!in_range || found->get<std::int64_t>() < least) {
    error = std::string(key) + ": " + found->dump().substr(0, 40) + " is not a whole number from " +
            std::to_string(least) + " to " + std::to_string(most);
    return std::nullopt;
  }
  return found->get<std::int64_t>();
}

std::string parse_ids(const json& object, std::int64_t prompt_tokens,
                      std::vector<std::uint64_t>& ids) {
  const auto found = object.find("hash_ids");
  if (found == object.end() || !found->is_array()) {
    return "hash_ids is missing or not a list";
  }
  const auto expected = static_cast<std::size_t>((prompt_tokens + kIdTokens - 1) / kIdTokens);
  if (found->size() != expected) {
    return std::to_string(found->size()) + " hash_ids for " + std::to_string(prompt_tokens) +
           " tokens (expected " + std::to_string(expected) + ", one per 512)";
  }
  for (const json& id : *found) {
    if (!id.is_number_unsigned()) {
      return "hash_ids: " + id.dump().substr(0, 40) + " is not a whole number of at least 0";
    }
    ids.push_back(id.get<std::uint64_t>());
  }
  return {};
}

/// Parses a line. Returns an error message, empty on success.
std::string parse_line(std::string_view text, Line& line) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) {
    return "expected {\"timestamp\": ms, \"input_length\": n, \"output_length\": n, "
           "\"hash_ids\": [...]}";
  }
  std::string error;
  const auto ms = whole(object, "timestamp", 0, 4'000'000'000'000'000, error);
  const auto input = whole(object, "input_length", 1, 100'000'000, error);
  const auto output = whole(object, "output_length", 1, 100'000'000, error);
  if (!ms || !input || !output) {
    return error;
  }
  line.stamped.at = {*ms / 1000, *ms % 1000 * (kPsPerSecond / 1000)};
  line.stamped.row.prompt_tokens = static_cast<std::int32_t>(*input);
  line.stamped.row.output_tokens = static_cast<std::int32_t>(*output);
  if (object.contains("max_tokens")) {
    const auto limit = whole(object, "max_tokens", *output, 100'000'000, error);
    if (!limit) {
      return error;
    }
    line.stamped.row.max_tokens = static_cast<std::int32_t>(*limit);
  }
  return parse_ids(object, *input, line.ids);
}

}  // namespace

std::vector<StampedRow> parse_mooncake(std::string_view text, const std::string& path,
                                       std::int32_t block_tokens, PromptPaths& paths,
                                       yaml::Faults& faults) {
  PathBuilder builder(kIdTokens / block_tokens);
  std::vector<StampedRow> rows;
  const std::size_t faults_before = faults.size();
  for (int number = 1; !text.empty() && faults.size() < faults_before + kMostTraceFaults;
       ++number) {
    const std::string_view line_text = take_line(text);
    if (line_text.empty()) {
      continue;
    }
    Line line;
    std::string error = parse_line(line_text, line);
    const std::int32_t blocks = line.stamped.row.prompt_tokens / block_tokens;
    if (error.empty() && !builder.add(line.ids, blocks)) {
      error =
          "hash_ids: an id has another prefix than before (expected equal ids for equal prefixes "
          "only)";
    }
    if (!error.empty()) {
      faults.add({path, number, 1}, "", error);
      continue;
    }
    line.stamped.row.path = static_cast<PathId>(rows.size());
    rows.push_back(line.stamped);
  }
  if (faults.size() == faults_before) {
    paths = builder.build();
  }
  return rows;
}

}  // namespace yardmaster
