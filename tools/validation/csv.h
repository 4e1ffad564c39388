// Tables of measured figures: comma-separated, plain or gzip, with a header.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace yardmaster {

/// A table as text. Cells are looked up by column; faults name file, line and column. Spaces around
/// cells, empty lines and a byte order mark are ignored; a cell in double quotes may hold commas.
class CsvTable {
 public:
  /// Reads `path` or `path`.gz. Throws BadInput where the file cannot be read to its end, is empty,
  /// names a column twice, or has a line whose number of cells differs from that of the header.
  explicit CsvTable(const std::string& path);

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] bool has(const std::string& column) const;
  /// FILE:LINE of a row.
  [[nodiscard]] std::string where(std::size_t row) const;
  /// A cell. Throws BadInput for an unknown column.
  [[nodiscard]] const std::string& text(std::size_t row, const std::string& column) const;
  /// A cell as a finite number. Throws BadInput.
  [[nodiscard]] double number(std::size_t row, const std::string& column) const;
  /// The same above 0.
  [[nodiscard]] double positive(std::size_t row, const std::string& column) const;
  /// A cell as a whole number in [0, 2^31).
  [[nodiscard]] int whole(std::size_t row, const std::string& column) const;

 private:
  struct Row {
    std::size_t line;
    std::vector<std::string> cells;
  };

  [[nodiscard]] std::size_t find(const std::string& column) const;

  std::string path_;
  std::vector<std::string> header_;
  std::size_t header_line_ = 0;
  std::vector<Row> rows_;
};

/// Whether `path` or `path`.gz exists.
[[nodiscard]] bool csv_exists(const std::string& path);

}  // namespace yardmaster
