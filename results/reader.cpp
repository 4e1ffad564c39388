#include "results/reader.h"

#include <algorithm>
#include <utility>

#include "results/hdf5_file.h"

namespace yardmaster {
namespace {

// Text as the library hands it out: freed by the library too.
std::string take_text(char* text) {
  std::string copy = text != nullptr ? text : "";
  H5free_memory(text);
  return copy;
}

herr_t collect_name(hid_t, const char* name, const H5L_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

}  // namespace

class Reader::File {
 public:
  explicit File(const std::filesystem::path& path) {
    hdf5::silence_errors();
    file_ = hdf5::Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose,
                         "cannot read " + path.string() + " as HDF5");
  }

  [[nodiscard]] hdf5::Handle object(const std::string& path) const {
    return {H5Oopen(file_.get(), path.c_str(), H5P_DEFAULT), H5Oclose, "there is no " + path};
  }

  void read_attribute(const std::string& path, const std::string& name, hid_t type,
                      void* value) const {
    const std::string what = "cannot read the attribute " + name + " of " + path;
    const hdf5::Handle at = object(path);
    const hdf5::Handle attribute(H5Aopen(at.get(), name.c_str(), H5P_DEFAULT), H5Aclose, what);
    hdf5::require(H5Aread(attribute.get(), type, value), what);
  }

  template <class Value>
  [[nodiscard]] std::vector<Value> column(const std::string& path, hid_t type) const {
    const std::string what = "cannot read the column " + path;
    const hdf5::Handle data(H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT), H5Dclose, what);
    const hdf5::Handle space(H5Dget_space(data.get()), H5Sclose, what);
    const hssize_t rows = H5Sget_simple_extent_npoints(space.get());
    hdf5::require(rows < 0 ? -1 : 0, what);
    std::vector<Value> values(static_cast<std::size_t>(rows));
    hdf5::require(H5Dread(data.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), what);
    return values;
  }

  [[nodiscard]] bool is_enumeration(const std::string& path) const {
    const hdf5::Handle data(H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT), H5Dclose,
                            "there is no " + path);
    const hdf5::Handle type(H5Dget_type(data.get()), H5Tclose, "cannot read the type of " + path);
    return H5Tget_class(type.get()) == H5T_ENUM;
  }

 private:
  hdf5::Handle file_;
};

Reader::Reader(const std::filesystem::path& path) : file_(std::make_unique<File>(path)) {}
Reader::~Reader() = default;

std::string Reader::text_attribute(const std::string& path, const std::string& name) const {
  char* text = nullptr;
  file_->read_attribute(path, name, hdf5::text_type().get(), &text);
  return take_text(text);
}

std::int64_t Reader::whole_attribute(const std::string& path, const std::string& name) const {
  std::int64_t value = 0;
  file_->read_attribute(path, name, H5T_NATIVE_INT64, &value);
  return value;
}

std::vector<std::string> Reader::members(const std::string& path) const {
  std::vector<std::string> names;
  const hdf5::Handle group = file_->object(path);
  hdf5::require(H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names),
                "cannot list " + path);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<RunKey> Reader::runs() const {
  std::vector<RunKey> keys;
  for (const std::string& policy : members("/runs")) {
    for (const std::string& seed : members("/runs/" + policy)) {
      keys.push_back({policy, std::stoull(seed)});
    }
  }
  std::sort(keys.begin(), keys.end(), [](const RunKey& a, const RunKey& b) {
    return std::pair(a.policy, a.seed) < std::pair(b.policy, b.seed);
  });
  return keys;
}

std::vector<double> Reader::real_column(const std::string& path) const {
  return file_->column<double>(path, H5T_NATIVE_DOUBLE);
}

std::vector<std::int64_t> Reader::whole_column(const std::string& path) const {
  if (!file_->is_enumeration(path)) {
    return file_->column<std::int64_t>(path, H5T_NATIVE_INT64);
  }
  const auto bytes = file_->column<std::uint8_t>(path, hdf5::outcome_type().get());
  return {bytes.begin(), bytes.end()};
}

std::vector<std::string> Reader::text_column(const std::string& path) const {
  std::vector<std::string> values;
  for (char* text : file_->column<char*>(path, hdf5::text_type().get())) {
    values.push_back(take_text(text));
  }
  return values;
}

}  // namespace yardmaster
