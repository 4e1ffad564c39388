#include "env/workload/trace.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "env/workload/trace_formats.h"

namespace yardmaster {

namespace {

constexpr std::size_t kMostBytes = 1U << 30U;
constexpr std::string_view kHeader = "TIMESTAMP,ContextTokens,GeneratedTokens";
constexpr std::string_view kLimitColumn = ",MaxTokens";  // optional, after the others

/// The whole file, unzipped. zlib returns plain files unchanged.
std::optional<std::string> read_whole(const std::string& path, yaml::Faults& faults) {
  const yaml::Place place{path, 0, 0};
  errno = 0;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    faults.add(place, "", std::string("cannot be read: ") + std::strerror(errno));
    return std::nullopt;
  }
  gzbuffer(file, 1U << 17U);
  std::string text;
  int got = 0;
  do {
    const std::size_t before = text.size();
    text.resize(before + (1U << 18U));
    got = gzread(file, text.data() + before, 1U << 18U);
    text.resize(before + static_cast<std::size_t>(std::max(got, 0)));
  } while (got > 0 && text.size() < kMostBytes);
  int error = Z_OK;
  const std::string message = gzerror(file, &error);
  const int closed = gzclose_r(file);
  if (got < 0 || closed == Z_BUF_ERROR) {
    const std::string reason = closed == Z_BUF_ERROR || error == Z_BUF_ERROR
                                   ? "the gzip file is cut off"
                               : error == Z_ERRNO ? std::strerror(errno)
                                                  : message;
    faults.add(place, "", "cannot be read: " + reason);
    return std::nullopt;
  }
  if (got > 0) {
    faults.add(place, "", "larger than 1 GiB");
    return std::nullopt;
  }
  return text;
}

/// Removes a whole number of exactly `digits` digits from the front.
bool take_digits(std::string_view& text, std::size_t digits, std::int64_t& value) {
  if (text.size() < digits) {
    return false;
  }
  value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      return false;
    }
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

/// Removes `c` from the front.
bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

/// Removes an optional fraction, such as `.680590`, as picoseconds. Drops digits after the twelfth.
bool take_fraction(std::string_view& text, std::int64_t& ps) {
  ps = 0;
  if (!take(text, '.')) {
    return true;
  }
  std::int64_t unit = kPsPerSecond;
  std::size_t i = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    unit /= 10;
    ps += unit * (text[i] - '0');
  }
  text.remove_prefix(i);
  return i > 0;
}

/// Days from 1970-01-01 in the Gregorian calendar. Years start in March, so that a leap day is the
/// last day of its year.
std::int64_t days_since_1970(std::int64_t year, std::int64_t month, std::int64_t day) {
  const std::int64_t y = month > 2 ? year : year - 1;
  const std::int64_t m = month > 2 ? month - 3 : month + 9;
  return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719'468;
}

/// Parses seconds such as `12.5`, or a time such as `2023-11-16 18:15:46.6805900`, optionally with
/// `Z` or `+00:00`.
bool parse_stamp(std::string_view text, Stamp& stamp) {
  std::int64_t year = 0;
  std::int64_t month = 0;
  std::int64_t day = 0;
  std::int64_t hour = 0;
  std::int64_t minute = 0;
  std::int64_t second = 0;
  std::string_view rest = text;
  if (take_digits(rest, 4, year) && take(rest, '-') && take_digits(rest, 2, month) &&
      take(rest, '-')) {
    const bool good =
        take_digits(rest, 2, day) && (take(rest, ' ') || take(rest, 'T')) &&
        take_digits(rest, 2, hour) && take(rest, ':') && take_digits(rest, 2, minute) &&
        take(rest, ':') && take_digits(rest, 2, second) && take_fraction(rest, stamp.ps) &&
        (rest.empty() || rest == "Z" || rest == "+00:00") && month >= 1 && month <= 12 &&
        day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 61;
    stamp.seconds =
        days_since_1970(year, month, day) * 86'400 + hour * 3'600 + minute * 60 + second;
    return good;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), stamp.seconds);
  rest = text.substr(static_cast<std::size_t>(end - text.data()));
  return error == std::errc{} && text.front() != '-' && stamp.seconds < 4'000'000'000'000 &&
         take_fraction(rest, stamp.ps) && rest.empty();
}

bool parse_tokens(std::string_view text, std::int32_t& tokens) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), tokens);
  return error == std::errc{} && end == text.data() + text.size() && tokens >= 1 &&
         tokens <= 100'000'000;
}

/// Parses a line. Returns an error message, empty on success.
std::string parse_line(std::string_view line, bool has_limit, StampedRow& row) {
  std::array<std::string_view, 5> cells;  // one more than there may be
  std::size_t count = 0;
  for (std::size_t from = 0; from <= line.size() && count < cells.size(); ++count) {
    const std::size_t comma = std::min(line.find(',', from), line.size());
    cells[count] = line.substr(from, comma - from);
    from = comma + 1;
  }
  if (count != (has_limit ? 4U : 3U)) {
    return has_limit ? "expected four columns, " + std::string(kHeader) + std::string(kLimitColumn)
                     : "expected three columns, " + std::string(kHeader);
  }
  const std::string_view time = cells[0];
  const std::string_view prompt = cells[1];
  const std::string_view output = cells[2];
  if (time.empty() || !parse_stamp(time, row.at)) {
    return "\"" + std::string(time) +
           "\" is not a time (expected 2023-11-16 18:15:46.6805900, or seconds)";
  }
  if (!parse_tokens(prompt, row.row.prompt_tokens)) {
    return "\"" + std::string(prompt) + "\" is not a number of tokens (ContextTokens, at least 1)";
  }
  if (!parse_tokens(output, row.row.output_tokens)) {
    return "\"" + std::string(output) +
           "\" is not a number of tokens (GeneratedTokens, at least 1)";
  }
  if (has_limit &&
      (!parse_tokens(cells[3], row.row.max_tokens) || row.row.max_tokens < row.row.output_tokens)) {
    return "\"" + std::string(cells[3]) +
           "\" is not a limit of the output (MaxTokens, at least GeneratedTokens)";
  }
  return {};
}

std::vector<StampedRow> parse_rows(std::string_view text, const std::string& path,
                                   yaml::Faults& faults) {
  std::vector<StampedRow> rows;
  rows.reserve(text.size() / 32);
  const std::size_t faults_before = faults.size();
  bool has_limit = false;
  for (int number = 1; !text.empty() && faults.size() < faults_before + kMostTraceFaults;
       ++number) {
    std::string_view line = take_line(text);
    if (number == 1) {
      if (line.starts_with("\xEF\xBB\xBF")) {
        line.remove_prefix(3);
      }
      has_limit = line == std::string(kHeader) + std::string(kLimitColumn);
      if (line != kHeader && !has_limit) {
        faults.add({path, 1, 1}, "",
                   "not a trace: expected the header " + std::string(kHeader) +
                       ", or a JSON object per line");
        return {};
      }
      continue;
    }
    if (line.empty()) {
      continue;
    }
    StampedRow row;
    if (const std::string error = parse_line(line, has_limit, row); !error.empty()) {
      faults.add({path, number, 1}, "", error);
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

Trace read_trace(const std::string& path, std::int32_t block_tokens, yaml::Faults& faults) {
  const std::size_t faults_before = faults.size();
  const std::optional<std::string> text = read_whole(path, faults);
  if (!text) {
    return {};
  }
  Trace trace;
  std::vector<StampedRow> stamped =
      text->starts_with('{') ? parse_mooncake(*text, path, block_tokens, trace.paths, faults)
                             : parse_rows(*text, path, faults);
  if (faults.size() != faults_before) {
    return {};
  }
  if (stamped.size() < 2) {
    faults.add({path, 0, 0}, "", "a trace needs at least two requests");
    return {};
  }
  const auto earlier = [](const StampedRow& a, const StampedRow& b) { return a.at < b.at; };
  if (!std::is_sorted(stamped.begin(), stamped.end(), earlier)) {
    std::stable_sort(stamped.begin(), stamped.end(), earlier);
  }
  const Stamp start = stamped.front().at;
  if (stamped.back().at.seconds - start.seconds >= kLongestDuration.ps / kPsPerSecond) {
    faults.add({path, 0, 0}, "", "the trace is longer than 50 days");
    return {};
  }
  trace.declares_max_tokens = std::all_of(
      stamped.begin(), stamped.end(), [](const StampedRow& row) { return row.row.max_tokens > 0; });
  trace.rows.reserve(stamped.size());
  for (const StampedRow& row : stamped) {
    trace.rows.push_back(row.row);
    trace.rows.back().arrival = {(row.at.seconds - start.seconds) * kPsPerSecond + row.at.ps -
                                 start.ps};
  }
  return trace;
}

}  // namespace yardmaster
