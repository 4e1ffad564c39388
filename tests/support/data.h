// Where tests find recordings, measured figures and traces (tests/data/README.md).
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace yardmaster {

/// Path of a file of the small set, which is part of the repository.
inline std::string shipped_data(const std::string& file) {
  return std::string(YARDMASTER_SOURCE_DIR) + "/tests/data/" + file;
}

/// A file of the large set, which lies in the folder that YARDMASTER_DATA names. A test without it
/// is skipped, with the reason that this gives. Throws where YARDMASTER_DATA names no folder.
class LargeDataFile {
 public:
  explicit LargeDataFile(const std::string& file) {
    const char* const folder = std::getenv("YARDMASTER_DATA");
    if (folder == nullptr) {
      why_absent_ = "YARDMASTER_DATA is not set (tests/data/README.md)";
      return;
    }
    if (!std::filesystem::is_directory(folder)) {
      throw std::runtime_error(std::string("YARDMASTER_DATA names no folder: ") + folder);
    }
    path_ = std::string(folder) + "/" + file;
    if (!std::filesystem::exists(path_) && !std::filesystem::exists(path_ + ".gz")) {
      why_absent_ = "YARDMASTER_DATA has no " + file;
    }
  }

  [[nodiscard]] bool exists() const { return why_absent_.empty(); }
  /// Path as given; the file itself may have the suffix `.gz` in addition.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// One sentence, the same for all files that are absent for the same reason.
  [[nodiscard]] const std::string& why_absent() const { return why_absent_; }

 private:
  std::string path_;
  std::string why_absent_;
};

}  // namespace yardmaster
