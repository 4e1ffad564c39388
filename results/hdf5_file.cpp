#include "results/hdf5_file.h"

#include <algorithm>
#include <array>

namespace yardmaster::hdf5 {
namespace {

Handle scalar_space() { return {H5Screate(H5S_SCALAR), H5Sclose, "cannot make a data space"}; }

void write_attribute_of(hid_t object, const char* name, hid_t type, const void* value) {
  const std::string what = std::string("cannot write the attribute ") + name;
  const Handle space = scalar_space();
  const Handle attribute(H5Acreate2(object, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose, what);
  require(H5Awrite(attribute.get(), type, value), what);
}

Handle file_type(ColumnType type) {
  const auto copy = [](hid_t native) {
    return Handle(H5Tcopy(native), H5Tclose, "cannot copy a type");
  };
  switch (type) {
    case ColumnType::u8:
      return copy(H5T_STD_U8LE);
    case ColumnType::i32:
      return copy(H5T_STD_I32LE);
    case ColumnType::u32:
      return copy(H5T_STD_U32LE);
    case ColumnType::i64:
      return copy(H5T_STD_I64LE);
    case ColumnType::f64:
      return copy(H5T_IEEE_F64LE);
    case ColumnType::outcome:
      return outcome_type();
    case ColumnType::text:
      return text_type();
  }
  throw ResultsError("a column has no type");
}

}  // namespace

Handle::Handle(hid_t id, Close close, const std::string& what) : id_(id), close_(close) {
  if (id < 0) {
    throw ResultsError(what);
  }
}

bool Handle::reset() {
  if (!valid()) {
    return true;
  }
  return close_(std::exchange(id_, H5I_INVALID_HID)) >= 0;
}

void require(herr_t status, const std::string& what) {
  if (status < 0) {
    throw ResultsError(what);
  }
}

void silence_errors() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

Handle create_group(hid_t parent, const std::string& path) {
  // Groups that the library makes on the way would carry time stamps: so they are made one by one.
  const Handle properties(H5Pcreate(H5P_GROUP_CREATE), H5Pclose, "cannot make a property list");
  require(H5Pset_obj_track_times(properties.get(), false), "cannot set a property");
  Handle group;
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (end != std::string::npos && H5Lexists(parent, part.c_str(), H5P_DEFAULT) > 0) {
      continue;
    }
    group = Handle(H5Gcreate2(parent, part.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                   H5Gclose, "cannot create the group " + part);
    if (end == std::string::npos) {
      return group;
    }
  }
}

void write_attribute(hid_t object, const char* name, const std::string& value) {
  const Handle type = text_type();
  const char* text = value.c_str();
  write_attribute_of(object, name, type.get(), &text);
}

void write_attribute(hid_t object, const char* name, std::int64_t value) {
  write_attribute_of(object, name, H5T_NATIVE_INT64, &value);
}

void write_attribute(hid_t object, const char* name, std::uint64_t value) {
  write_attribute_of(object, name, H5T_NATIVE_UINT64, &value);
}

void write_attribute(hid_t object, const char* name, double value) {
  write_attribute_of(object, name, H5T_NATIVE_DOUBLE, &value);
}

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "cannot copy a type");
  require(H5Tset_size(type.get(), H5T_VARIABLE), "cannot set a type");
  require(H5Tset_cset(type.get(), H5T_CSET_UTF8), "cannot set a type");
  return type;
}

Handle outcome_type() {
  Handle type(H5Tenum_create(H5T_STD_U8LE), H5Tclose, "cannot make a type");
  for (std::uint8_t i = 0; i < kOutcomeCount; ++i) {
    require(H5Tenum_insert(type.get(), kOutcomeNames[i], &i), "cannot make a type");
  }
  return type;
}

ColumnFile::ColumnFile(hid_t group, const std::string& name, ColumnType type,
                       const std::string& unit, const std::string& description,
                       std::size_t expected_rows)
    : name_(name), type_(type) {
  const hsize_t none = 0, unlimited = H5S_UNLIMITED;
  const hsize_t chunk = std::clamp<std::size_t>(expected_rows, 1, kChunkRows);
  const Handle space(H5Screate_simple(1, &none, &unlimited), H5Sclose, "cannot make a data space");
  const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "cannot make a property list");
  const std::string what = "cannot create the column " + name;
  require(H5Pset_chunk(properties.get(), 1, &chunk), what);
  require(H5Pset_obj_track_times(properties.get(), false), what);
  if (type != ColumnType::text) {  // texts live in a heap of the file; filters would see references
    require(H5Pset_shuffle(properties.get()), what);
    require(H5Pset_deflate(properties.get(), 1), what);
  }
  const Handle stored = file_type(type);
  dataset_ = Handle(H5Dcreate2(group, name.c_str(), stored.get(), space.get(), H5P_DEFAULT,
                               properties.get(), H5P_DEFAULT),
                    H5Dclose, what);
  write_attribute(dataset_.get(), "unit", unit);
  write_attribute(dataset_.get(), "description", description);
}

void ColumnFile::append(std::span<const std::int64_t> values) {
  if (type_ != ColumnType::outcome) {
    write(values.data(), values.size(), H5T_NATIVE_INT64);
    return;
  }
  std::vector<std::uint8_t> bytes(values.size());  // HDF5 converts no integers to enumerations
  std::transform(values.begin(), values.end(), bytes.begin(),
                 [](std::int64_t v) { return static_cast<std::uint8_t>(v); });
  const Handle type = outcome_type();
  write(bytes.data(), bytes.size(), type.get());
}

void ColumnFile::append(std::span<const double> values) {
  write(values.data(), values.size(), H5T_NATIVE_DOUBLE);
}

void ColumnFile::append(std::span<const std::string> values) {
  std::vector<const char*> pointers(values.size());
  std::transform(values.begin(), values.end(), pointers.begin(),
                 [](const std::string& s) { return s.c_str(); });
  const Handle type = text_type();
  write(pointers.data(), pointers.size(), type.get());
}

void ColumnFile::write(const void* values, std::size_t count, hid_t memory_type) {
  if (count == 0) {
    return;
  }
  const std::string what = "cannot write the column " + name_;
  const hsize_t added = count, start = rows_;
  rows_ += added;
  require(H5Dset_extent(dataset_.get(), &rows_), what);
  const Handle file_space(H5Dget_space(dataset_.get()), H5Sclose, what);
  require(H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, &start, nullptr, &added, nullptr),
          what);
  const Handle memory_space(H5Screate_simple(1, &added, nullptr), H5Sclose, what);
  require(H5Dwrite(dataset_.get(), memory_type, memory_space.get(), file_space.get(), H5P_DEFAULT,
                   values),
          what);
}

}  // namespace yardmaster::hdf5
