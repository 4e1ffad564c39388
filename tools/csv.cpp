#include "tools/csv.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <sstream>
#include <system_error>

#include "tools/command.h"

namespace yardmaster {
namespace {

constexpr std::size_t kMostBytes = std::size_t{256} << 20;

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

/// The text of a file, unpacked when it is compressed.
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
  if (got < 0) {
    throw BadInput(fmt::format("{}: cannot be read to its end", path));
  }
  return text;
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::size_t from = 0;
  for (std::size_t comma = line.find(','); comma != std::string::npos;
       comma = line.find(',', from)) {
    cells.push_back(line.substr(from, comma - from));
    from = comma + 1;
  }
  cells.push_back(line.substr(from));
  return cells;
}

}  // namespace

bool csv_exists(const std::string& path) { return exists(path) || exists(path + ".gz"); }

CsvTable::CsvTable(const std::string& path) : path_(path) {
  std::istringstream lines(contents(path));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    std::vector<std::string> cells = cells_of(line);
    if (header_.empty()) {
      header_ = std::move(cells);
    } else if (cells.size() == header_.size()) {
      rows_.push_back(std::move(cells));
    } else {
      throw BadInput(fmt::format("{}:{}: {} cells (expected {}, as the header has)", path,
                                 rows_.size() + 2, cells.size(), header_.size()));
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
    throw BadInput(fmt::format("{}:1: no column {}", path_, column));
  }
  return static_cast<std::size_t>(found - header_.begin());
}

const std::string& CsvTable::text(std::size_t row, const std::string& column) const {
  return rows_[row][find(column)];
}

double CsvTable::number(std::size_t row, const std::string& column) const {
  const std::string& cell = text(row, column);
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value)) {
    throw BadInput(
        fmt::format("{}:{}: {} is \"{}\" (expected a number)", path_, row + 2, column, cell));
  }
  return value;
}

int CsvTable::whole(std::size_t row, const std::string& column) const {
  const double value = number(row, column);
  if (value < 0 || value >= 2147483648.0 || value != std::floor(value)) {
    throw BadInput(fmt::format("{}:{}: {} is {} (expected a whole number of 0 or more)", path_,
                               row + 2, column, value));
  }
  return static_cast<int>(value);
}

}  // namespace yardmaster
