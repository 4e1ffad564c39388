#include "tools/validation/csv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <system_error>

#include "tools/command.h"

namespace yardmaster {
namespace {

constexpr std::size_t kMostBytes = std::size_t{256} << 20;
constexpr const char* kSpaces = " \t\r";
constexpr const char* kByteOrderMark = "\xEF\xBB\xBF";

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

/// The text of a file, decompressed where it is compressed.
std::string contents(const std::string& path) {
  const std::string found = exists(path) ? path : path + ".gz";
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(
      exists(found) ? gzopen(found.c_str(), "rb") : nullptr, gzclose);
  if (file == nullptr) {
    throw BadInput(fmt::format("{}: no such file", path));
  }
  std::string text;
  std::array<char, 1 << 16> buffer{};
  int got = 0;
  while ((got = gzread(file.get(), buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kMostBytes) {
      throw BadInput(fmt::format("{}: more than 256 MiB", path));
    }
  }
  int fault = Z_OK;
  gzerror(file.get(), &fault);
  if (fault == Z_BUF_ERROR) {  // gzread reports no error here, and returns what it has
    throw BadInput(found + ": truncated gzip");
  }
  if (got < 0) {
    throw BadInput(found + ": cannot be read to its end");
  }
  return text;
}

/// Position of the next character that is not a space, or the end of the line.
std::size_t skip_spaces(const std::string& line, std::size_t from) {
  return std::min(line.find_first_not_of(kSpaces, from), line.size());
}

/// Reads a cell in double quotes at `at` and moves `at` behind it; a doubled quote is one quote.
std::string quoted_cell(const std::string& line, std::size_t& at, const std::string& where) {
  std::string cell;
  for (++at; at < line.size(); ++at) {
    if (line[at] == '"' && (++at == line.size() || line[at] != '"')) {
      at = skip_spaces(line, at);
      if (at < line.size() && line[at] != ',') {
        throw BadInput(where + ": text after a closing quote (expected a comma)");
      }
      return cell;
    }
    cell += line[at];
  }
  throw BadInput(where + ": an opening quote has no closing quote on its line");
}

/// Reads a cell without quotes at `at` and moves `at` behind it.
std::string plain_cell(const std::string& line, std::size_t& at) {
  const std::size_t end = std::min(line.find(',', at), line.size());
  const std::string cell = line.substr(at, end - at);
  at = end;
  return cell.substr(0, cell.find_last_not_of(kSpaces) + 1);
}

/// The cells of a line, without surrounding spaces.
std::vector<std::string> cells_of(const std::string& line, const std::string& where) {
  std::vector<std::string> cells;
  for (std::size_t at = 0;; ++at) {
    at = skip_spaces(line, at);
    const bool quoted = at < line.size() && line[at] == '"';
    cells.push_back(quoted ? quoted_cell(line, at, where) : plain_cell(line, at));
    if (at == line.size()) {
      return cells;
    }
  }
}

void check_distinct(const std::vector<std::string>& header, const std::string& where) {
  std::set<std::string> seen;
  for (const std::string& name : header) {
    if (!seen.insert(name).second) {
      throw BadInput(fmt::format("{}: two columns are called \"{}\"", where, name));
    }
  }
}

}  // namespace

bool csv_exists(const std::string& path) { return exists(path) || exists(path + ".gz"); }

CsvTable::CsvTable(const std::string& path) : path_(path) {
  std::string text = contents(path);
  if (text.starts_with(kByteOrderMark)) {
    text.erase(0, 3);
  }
  std::istringstream lines(text);
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(kSpaces) == std::string::npos) {
      continue;
    }
    const std::string where = fmt::format("{}:{}", path, number);
    std::vector<std::string> cells = cells_of(line, where);
    if (header_.empty()) {
      check_distinct(cells, where);
      header_ = std::move(cells);
      header_line_ = number;
    } else if (cells.size() == header_.size()) {
      rows_.push_back({number, std::move(cells)});
    } else {
      throw BadInput(fmt::format("{}: {} cells (expected {}, as the header has)", where,
                                 cells.size(), header_.size()));
    }
  }
  if (header_.empty()) {
    throw BadInput(fmt::format("{}: empty (expected a header)", path));
  }
}

bool CsvTable::has(const std::string& column) const {
  return std::find(header_.begin(), header_.end(), column) != header_.end();
}

std::size_t CsvTable::find(const std::string& column) const {
  const auto found = std::find(header_.begin(), header_.end(), column);
  if (found == header_.end()) {
    throw BadInput(fmt::format("{}:{}: no column {} (columns: {})", path_, header_line_, column,
                               fmt::join(header_, ", ")));
  }
  return static_cast<std::size_t>(found - header_.begin());
}

std::string CsvTable::where(std::size_t row) const {
  return fmt::format("{}:{}", path_, rows_[row].line);
}

const std::string& CsvTable::text(std::size_t row, const std::string& column) const {
  return rows_[row].cells[find(column)];
}

double CsvTable::number(std::size_t row, const std::string& column) const {
  const std::string& cell = text(row, column);
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value)) {
    throw BadInput(fmt::format("{}: {} is \"{}\" (expected a number)", where(row), column, cell));
  }
  return value;
}

double CsvTable::positive(std::size_t row, const std::string& column) const {
  const double value = number(row, column);
  if (value <= 0) {
    throw BadInput(
        fmt::format("{}: {} is {} (expected a number above 0)", where(row), column, value));
  }
  return value;
}

int CsvTable::whole(std::size_t row, const std::string& column) const {
  const double value = number(row, column);
  if (value < 0 || value >= 2147483648.0 || value != std::floor(value)) {
    throw BadInput(fmt::format("{}: {} is {} (expected a whole number of 0 or more)", where(row),
                               column, value));
  }
  return static_cast<int>(value);
}

}  // namespace yardmaster
