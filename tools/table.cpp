#include "tools/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "env/base/check.h"

namespace yardmaster {
namespace {

// Decimals that give three significant digits.
int decimals(double value) {
  const double size = std::abs(value);
  if (size >= 99.95 || size == 0) {
    return 0;
  }
  return size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
}

// Columns on the screen: the bytes of UTF-8 that begin a code point.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

TextTable::TextTable(std::vector<std::string> header, std::size_t left_columns)
    : left_columns_(left_columns) {
  rows_.push_back(std::move(header));
}

void TextTable::add(std::vector<std::string> cells) {
  check(cells.size() == rows_.front().size(), "a row of a table has the wrong number of cells");
  rows_.push_back(std::move(cells));
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      widths[c] = std::max(widths[c], width(row[c]));
    }
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string pad(widths[c] - width(row[c]), ' ');
      line += (c == 0 ? "" : "  ") + (c < left_columns_ ? row[c] + pad : pad + row[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string count_text(std::uint64_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t from_end = 3; from_end < digits.size(); from_end += 4) {
    digits.insert(digits.size() - from_end, ",");
  }
  return digits;
}

std::string seconds_text(double seconds) {
  if (std::isnan(seconds)) {
    return "-";
  }
  const double size = std::abs(seconds);
  if (size < 0.9995e-3 && size > 0) {
    return fmt::format("{:.{}f} us", seconds * 1e6, decimals(seconds * 1e6));
  }
  if (size < 0.9995 && size > 0) {
    return fmt::format("{:.{}f} ms", seconds * 1e3, decimals(seconds * 1e3));
  }
  return fmt::format("{:.{}f} s", seconds, decimals(seconds));
}

std::string number_text(double value) {
  if (std::isnan(value)) {
    return "-";
  }
  const double size = std::abs(value);
  if (size >= 1e6) {
    return fmt::format("{:.3g}", value);
  }
  if (size >= 1000) {
    return (value < 0 ? "-" : "") + count_text(static_cast<std::uint64_t>(size + 0.5));
  }
  return size > 0 && size < 0.01 ? fmt::format("{:.3g}", value)
                                 : fmt::format("{:.{}f}", value, decimals(value));
}

std::string percent_text(double share) {
  return std::isnan(share) ? "-" : fmt::format("{:.1f} %", 100 * share);
}

std::string interval_text(const Interval& i, bool sign) {
  if (std::isnan(i.mean)) {
    return "-";
  }
  const auto text = [sign](double value) {
    return (sign && value > 0 ? "+" : "") + number_text(value);
  };
  return std::isnan(i.low) ? text(i.mean)
                           : fmt::format("{} [{}, {}]", text(i.mean), text(i.low), text(i.high));
}

std::string digest_text(std::uint64_t digest) { return fmt::format("{:016x}", digest); }

}  // namespace yardmaster
