// HDF5 handles that close themselves, and tables on top. Only files of results/ include this.
//
// The library is not safe for threads: only one thread at a time may be inside any of these.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "results/schema.h"

namespace yardmaster {

namespace hdf5 {

/// Owner of one HDF5 identifier. Move-only.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle() = default;
  /// Takes `id`. Throws ResultsError with the message `what` when the identifier is invalid.
  Handle(hid_t id, Close close, const std::string& what);
  Handle(Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  [[nodiscard]] hid_t get() const { return id_; }
  [[nodiscard]] bool valid() const { return id_ >= 0; }
  /// Closes now. Returns false when the library reports a failure, as at the last flush of a file.
  bool reset();

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

/// Throws ResultsError with the message `what` when `status` reports a failure.
void require(herr_t status, const std::string& what);

/// Stops the library from printing errors. The exceptions of this file have what is needed.
void silence_errors();

/// Creates the group `path` below `parent`, and those between, without time stamps.
Handle create_group(hid_t parent, const std::string& path);

void write_attribute(hid_t object, const char* name, const std::string& value);
void write_attribute(hid_t object, const char* name, std::int64_t value);
void write_attribute(hid_t object, const char* name, std::uint64_t value);
void write_attribute(hid_t object, const char* name, double value);

/// The text type of all strings here: UTF-8 of variable length.
Handle text_type();
/// The enumeration of outcomes, over one byte.
Handle outcome_type();

/// Rows per chunk.
inline constexpr std::size_t kChunkRows = 8192;

/// One growing column: a one-dimensional dataset, chunked, shuffled, gzip level 1.
class ColumnFile {
 public:
  /// Creates the dataset `name` in `group`; `expected_rows` bounds the chunk.
  ColumnFile(hid_t group, const std::string& name, ColumnType, const std::string& unit,
             const std::string& description, std::size_t expected_rows);

  void append(std::span<const std::int64_t>);
  void append(std::span<const double>);
  void append(std::span<const std::string>);

 private:
  void write(const void* values, std::size_t count, hid_t memory_type);

  std::string name_;
  ColumnType type_;
  Handle dataset_;
  hsize_t rows_ = 0;
};

/// A table: a group with one dataset per column, all of the same length.
template <class Row>
class Table {
 public:
  Table() = default;
  Table(hid_t parent, const std::string& name, const std::vector<Column<Row>>& columns,
        std::size_t expected_rows = kChunkRows)
      : columns_(&columns), group_(create_group(parent, name)) {
    for (const Column<Row>& c : columns) {
      files_.emplace_back(group_.get(), c.name, c.type, c.unit, c.description, expected_rows);
    }
  }

  void append(std::span<const Row> rows) {
    for (std::size_t c = 0; c < files_.size(); ++c) {
      const Column<Row>& column = (*columns_)[c];
      if (column.whole) {
        append_as<std::int64_t>(files_[c], rows, column.whole);
      } else if (column.real) {
        append_as<double>(files_[c], rows, column.real);
      } else {
        append_as<std::string>(files_[c], rows, column.text);
      }
    }
  }

 private:
  template <class Value, class Get>
  static void append_as(ColumnFile& file, std::span<const Row> rows, const Get& get) {
    std::vector<Value> values;
    values.reserve(rows.size());
    for (const Row& row : rows) {
      values.push_back(get(row));
    }
    file.append(values);
  }

  const std::vector<Column<Row>>* columns_ = nullptr;
  Handle group_;
  std::vector<ColumnFile> files_;
};

}  // namespace hdf5
}  // namespace yardmaster
