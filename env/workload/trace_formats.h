// What the readers of the formats of traces share: rows as they stand in a file.
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

/// Faults that are told of one file: a wrong file is wrong in every line.
inline constexpr std::size_t kMostTraceFaults = 20;

/// An instant as whole seconds since 1970 (or since anything) and picoseconds.
struct Stamp {
  std::int64_t seconds = 0, ps = 0;
  auto operator<=>(const Stamp&) const = default;
};

/// A row without its arrival since the first one.
struct StampedRow {
  Stamp at;
  TraceRow row;
};

/// Takes the next line, without its end, off `text`. REQUIRES text not empty.
inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

/// Rows of Mooncake's JSON lines: one object a request with `timestamp` (ms), `input_length`,
/// `output_length` and `hash_ids`, an id for every 512 tokens of the prompt and all before them.
/// What they share goes to `paths`, in blocks of `block_tokens`. Format: R. Qin et al., Mooncake,
/// FAST 2025, and its repository.
std::vector<StampedRow> parse_mooncake(std::string_view text, const std::string& path,
                                       std::int32_t block_tokens, PromptPaths& paths,
                                       yaml::Faults& faults);

}  // namespace yardmaster
