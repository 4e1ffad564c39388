// Reads a results file, for tests and for tools that compare files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "results/schema.h"
#include "results/writer.h"

namespace yardmaster {

/// An open results file. Every member throws ResultsError that names what is missing.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// An attribute of the object at `path` ("/" is the root).
  [[nodiscard]] std::string text_attribute(const std::string& path, const std::string& name) const;
  [[nodiscard]] std::int64_t whole_attribute(const std::string& path,
                                             const std::string& name) const;

  /// Names in the group `path`, sorted.
  [[nodiscard]] std::vector<std::string> members(const std::string& path) const;
  /// All runs, by policy and seed.
  [[nodiscard]] std::vector<RunKey> runs() const;

  /// A whole column: `path` is that of the dataset, "/runs/POLICY/SEED/tasks/e2e_s".
  [[nodiscard]] std::vector<double> real_column(const std::string& path) const;
  [[nodiscard]] std::vector<std::int64_t> whole_column(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> text_column(const std::string& path) const;

 private:
  class File;
  std::unique_ptr<File> file_;
};

}  // namespace yardmaster
