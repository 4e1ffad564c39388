// Shared prefixes: the tree of the common prefixes of all prompts of a workload, as runs of blocks.
//
// A *block* is the unit of the KV cache (env/node/kv_block.h). The *depth* of a block is the number
// of blocks before it. A *run* is a stretch of blocks in the tree of all prompts: (run, depth)
// identifies the text of one block and of all blocks before it. A *path* describes a request's
// prompt and output: stretches of shared runs, followed by the request's own run, which no other
// request has.
//
// The builder names runs while the tree grows. A request that continues at the end of a run extends
// it. A request that leaves a run in the middle starts a new one. A conversation is therefore a
// single run, however many turns it has. No data is stored per block. The table is immutable once
// built and shared by all worlds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "env/base/ids.h"
#include "env/base/random.h"

namespace yardmaster {

/// A run. Shared runs are numbered from 0. A request's own run has the top bit set.
enum class RunId : std::uint64_t {};
inline constexpr RunId kNoRun{0x7FFFFFFFFFFFFFFFULL};

/// The shared run number `i`.
constexpr RunId shared_run(std::uint32_t i) { return RunId{i}; }
/// Whether requests of several addresses can have blocks of the run.
constexpr bool is_shared(RunId run) { return static_cast<std::uint64_t>(run) >> 63U == 0; }
/// The run that only this task has. It is the same for all attempts, so a retry can hit what an
/// earlier attempt left in a cache. Runs of different tasks differ if workflows have a single
/// stage. Otherwise they differ except for collisions of a 63-bit hash.
constexpr RunId own_run(const TaskAddress& at) {
  std::uint64_t key = (static_cast<std::uint64_t>(at.tenant) << 32U) | at.workflow;
  const std::uint64_t position = (static_cast<std::uint64_t>(at.stage) << 32U) |
                                 (static_cast<std::uint64_t>(at.branch) << 16U) | at.loop;
  key ^= position == 0 ? 0 : mix64(position);
  return RunId{key | (1ULL << 63U)};
}

/// A stretch of a path: blocks of a shared run from the end of the previous stretch (0 for the
/// first) to depth `end`.
struct PathSpan {
  RunId run = kNoRun;
  std::int32_t end = 0;
  constexpr bool operator==(const PathSpan&) const = default;
};

/// The path of a request: `shared`, followed by `own` without end. Borrows the table's memory.
struct PromptPath {
  std::span<const PathSpan> shared;
  RunId own = kNoRun;

  /// Number of blocks from the root that other requests may have too.
  [[nodiscard]] std::int32_t shared_blocks() const {
    return shared.empty() ? 0 : shared.back().end;
  }
};

/// Index of a path in PromptPaths.
enum class PathId : std::uint32_t {};
/// The path of a request that shares no prefix.
inline constexpr PathId kNoPath{0xFFFFFFFFU};

/// The shared parts of the paths of all requests of a workload.
class PromptPaths {
 public:
  /// The shared stretches of a path. None for kNoPath.
  [[nodiscard]] std::span<const PathSpan> shared(PathId id) const {
    if (id == kNoPath) {
      return {};
    }
    const auto i = static_cast<std::size_t>(id);
    return {spans_.data() + first_[i], first_[i + 1] - first_[i]};
  }
  /// The path of the request at address `at` whose shared part is `id`.
  [[nodiscard]] PromptPath path(PathId id, const TaskAddress& at) const {
    return {shared(id), own_run(at)};
  }
  /// The depth at which a shared run begins. REQUIRES that it is a run of this table.
  [[nodiscard]] std::int32_t begin(RunId run) const {
    return begin_[static_cast<std::size_t>(run)];
  }
  /// Number of paths.
  [[nodiscard]] std::size_t size() const { return first_.empty() ? 0 : first_.size() - 1; }
  /// Number of shared runs.
  [[nodiscard]] std::uint32_t runs() const { return static_cast<std::uint32_t>(begin_.size()); }
  /// Number of stretches of all paths.
  [[nodiscard]] std::size_t spans() const { return spans_.size(); }

 private:
  friend class PathBuilder;
  std::vector<PathSpan> spans_;
  std::vector<std::uint32_t> first_;  // [paths + 1]: index of the first span
  std::vector<std::int32_t> begin_;   // [runs]: depth of the first block
};

/// Builds PromptPaths from the prompts' ids. Each id stands for a fixed number of tokens. Two
/// requests with the same id have equal tokens there and in everything before.
class PathBuilder {
 public:
  /// Each id stands for `blocks_per_id` blocks.
  explicit PathBuilder(std::int32_t blocks_per_id) : blocks_per_id_(blocks_per_id) {}
  /// Adds a path. Its PathId is the number of paths added before. The path covers `blocks` full
  /// blocks; the last id may stand for fewer blocks than the others. Returns false and adds nothing
  /// if an id appeared earlier at another depth or after another id, because then equal ids do not
  /// mean equal prefixes.
  [[nodiscard]] bool add(std::span<const std::uint64_t> ids, std::int32_t blocks);
  /// The table of all paths added.
  [[nodiscard]] PromptPaths build() const;

 private:
  /// The text of an id and of all ids before it.
  struct Text {
    std::uint32_t parent;        // index of the text without the last id, or kRoot
    std::uint32_t depth;         // number of ids before
    std::uint32_t requests = 0;  // that have it
  };
  static constexpr std::uint32_t kRoot = 0xFFFFFFFFU;

  std::int32_t blocks_per_id_;
  std::unordered_map<std::uint64_t, std::uint32_t> index_;  // tidy: lookup-only
  std::vector<Text> texts_;                                 // in order of appearance
  std::vector<std::uint32_t> last_;                         // [path]: its last text, or kRoot
  std::vector<std::int32_t> blocks_;                        // [path]
};

}  // namespace yardmaster
