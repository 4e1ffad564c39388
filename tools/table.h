// Tables and numbers as text for readers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "results/statistics.h"

namespace yardmaster {

/// Rows of text in aligned columns: the first columns to the left, the others to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header, std::size_t left_columns = 1);
  /// REQUIRES as many cells as the header has.
  void add(std::vector<std::string> cells);
  /// All lines, each with a line end, two blanks between columns. Widths count code points.
  [[nodiscard]] std::string text() const;

 private:
  std::size_t left_columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// 19366 as "19,366".
std::string count_text(std::uint64_t n);
/// Three significant digits with a unit that fits: "832 us", "12.3 ms", "4.56 s"; "-" for NaN.
std::string seconds_text(double seconds);
/// Three significant digits, without an exponent below 1e6; "-" for NaN.
std::string number_text(double value);
/// "87.4 %"; "-" for NaN.
std::string percent_text(double share);
/// "1.23 [1.10, 1.36]", without brackets when there is no interval.
std::string interval_text(const Interval&, bool sign = false);
/// A digest as 16 hexadecimal digits.
std::string digest_text(std::uint64_t digest);

}  // namespace yardmaster
