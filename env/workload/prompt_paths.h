// What prompts share: the tree of common prefixes of a workload, as runs of blocks.
//
// A *block* is the KV cache's unit (env/node/kv_block.h). A *run* names what stands at some depths
// of the tree of all prompts, depth being the number of blocks before; (run, depth) stands for one
// text of one block and all before it. A *path* is what a request's prompt and output are made of:
// stretches of shared runs, and from there on the request's own run, which nobody else's prompt can
// meet. Runs are named as the tree grows: a request that goes on where a run ends lengthens it, one
// that leaves a run in the middle starts another, so a conversation is a single run however often
// it comes back. Nothing is kept a block. Immutable once built; shared by all worlds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "env/base/ids.h"
#include "env/base/random.h"

namespace yardmaster {

/// A run: shared ones are numbered from 0, a request's own has the top bit.
enum class RunId : std::uint64_t {};
inline constexpr RunId kNoRun{0x7FFFFFFFFFFFFFFFULL};

/// The shared run number `i`.
constexpr RunId shared_run(std::uint32_t i) { return RunId{i}; }
/// Whether requests of other addresses can have blocks of it.
constexpr bool is_shared(RunId run) { return static_cast<std::uint64_t>(run) >> 63U == 0; }
/// The run of what only this task has. All its attempts have the same: what one left in a cache,
/// the next can hit. Two tasks never share one as long as workflows have a single stage; else but
/// for collisions of a hash of 63 bits.
constexpr RunId own_run(const TaskAddress& at) {
  std::uint64_t key = (static_cast<std::uint64_t>(at.tenant) << 32U) | at.workflow;
  const std::uint64_t place = (static_cast<std::uint64_t>(at.stage) << 32U) |
                              (static_cast<std::uint64_t>(at.branch) << 16U) | at.loop;
  key ^= place == 0 ? 0 : mix64(place);
  return RunId{key | (1ULL << 63U)};
}

/// A stretch of a path: blocks of a shared run from the previous stretch's end (0 for the first) to
/// `end`, a depth.
struct PathSpan {
  std::uint32_t run = 0;
  std::int32_t end = 0;
  constexpr bool operator==(const PathSpan&) const = default;
};

/// The path of a request: `shared`, and from there on `own`, without end. Borrows.
struct PromptPath {
  std::span<const PathSpan> shared;
  RunId own = kNoRun;

  /// Blocks from the root that other requests may have too.
  [[nodiscard]] std::int32_t shared_blocks() const {
    return shared.empty() ? 0 : shared.back().end;
  }
};

/// A path in a table.
enum class PathId : std::uint32_t {};
/// The path of a request that shares nothing with others.
inline constexpr PathId kNoPath{0xFFFFFFFFU};

/// The shared parts of the paths of all requests of a workload.
class PromptPaths {
 public:
  /// The shared stretches of a path; none of kNoPath.
  [[nodiscard]] std::span<const PathSpan> shared(PathId id) const {
    if (id == kNoPath) {
      return {};
    }
    const auto i = static_cast<std::size_t>(id);
    return {spans_.data() + first_[i], first_[i + 1] - first_[i]};
  }
  /// The path of the request of address `at` whose shared part is `id`.
  [[nodiscard]] PromptPath path(PathId id, const TaskAddress& at) const {
    return {shared(id), own_run(at)};
  }
  /// The depth at which a shared run begins.
  [[nodiscard]] std::int32_t begin(std::uint32_t run) const { return begin_[run]; }
  /// How many paths, shared runs, and stretches in all there are.
  [[nodiscard]] std::size_t size() const { return first_.empty() ? 0 : first_.size() - 1; }
  [[nodiscard]] std::uint32_t runs() const { return static_cast<std::uint32_t>(begin_.size()); }
  [[nodiscard]] std::size_t spans() const { return spans_.size(); }

 private:
  friend class PathBuilder;
  std::vector<PathSpan> spans_;
  std::vector<std::uint32_t> first_;  // [path], and one more
  std::vector<std::int32_t> begin_;   // [run]
};

/// Builds the table from ids of equal stretches of tokens: two requests with the same id have equal
/// tokens there and in everything before.
class PathBuilder {
 public:
  /// An id stands for `blocks_per_id` blocks.
  explicit PathBuilder(std::int32_t blocks_per_id) : blocks_per_id_(blocks_per_id) {}
  /// Adds the path of the next request; its id is the number of those added before. `blocks` full
  /// blocks are covered; the last id may stand for fewer than the others. False, and nothing is
  /// added: an id stood at another depth or after another id before, which two equal prefixes
  /// cannot.
  [[nodiscard]] bool add(std::span<const std::uint64_t> ids, std::int32_t blocks);
  /// The table of all that were added.
  [[nodiscard]] PromptPaths build() const;

 private:
  struct Text {
    std::uint32_t before, depth;  // index of the text before it, or kRoot; texts before it
    std::uint32_t users = 0;
  };
  static constexpr std::uint32_t kRoot = 0xFFFFFFFFU;

  std::int32_t blocks_per_id_;
  std::unordered_map<std::uint64_t, std::uint32_t> index_;  // tidy: lookup-only
  std::vector<Text> texts_;                                 // by first appearance
  std::vector<std::uint32_t> last_;                         // [path] its last text, or kRoot
  std::vector<std::int32_t> blocks_;                        // [path]
};

}  // namespace yardmaster
