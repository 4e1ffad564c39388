// Shared by the readers of all trace formats: rows as they appear in a file.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "env/config/document.h"
#include "env/workload/prompt_paths.h"
#include "env/workload/workload.h"

namespace yardmaster {

/// The most faults reported per file. A file of another format has a fault in every line.
inline constexpr std::size_t kMostTraceFaults = 20;

/// An instant: whole seconds since 1970 or any other origin, and picoseconds.
struct Stamp {
  std::int64_t seconds = 0;
  std::int64_t ps = 0;
  auto operator<=>(const Stamp&) const = default;
};

/// A row with its instant in the file. `row.arrival` is not set.
struct StampedRow {
  Stamp at;
  TraceRow row;
};

/// Removes the next line from `text` and returns it without its end. REQUIRES !text.empty().
inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

/// The rows of Mooncake's JSON lines (R. Qin et al., Mooncake, FAST 2025, and its repository).
///
/// Each line is an object per request with `timestamp` (ms), `input_length`, `output_length` and
/// `hash_ids`, one id per 512 tokens of the prompt, which identifies these and all tokens before.
/// Shared prefixes go to `paths` in blocks of `block_tokens`. Errors go to `faults`.
std::vector<StampedRow> parse_mooncake(std::string_view text, const std::string& path,
                                       std::int32_t block_tokens, PromptPaths& paths,
                                       yaml::Faults& faults);

}  // namespace yardmaster
