// The dispatcher's estimate of the contents of the nodes' prefix caches. It has one of two sources:
// - the cache events that nodes report, which are as old as the reports;
// - the dispatcher's record of what it sent where: one least-recently-used list per node, as large
//   as the node's KV memory. This is approximate, as in many routers: outputs and preemptions are
//   missing, and a prompt counts as cached as soon as it is sent.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "env/base/ids.h"
#include "env/workload/prompt_paths.h"
#include "env/workload/run_table.h"

namespace yardmaster {

/// For each node, the depths of shared runs that it should have. A value; the simulation writes it.
class PrefixIndex {
 public:
  PrefixIndex() = default;
  /// `capacity`: [node] blocks that are remembered for it.
  explicit PrefixIndex(const std::vector<std::int32_t>& capacity);

  /// A prompt of `blocks` full blocks goes to node `n`; `shared` is its path, which may be longer.
  void sent(NodeId n, std::span<const PathSpan> shared, std::int32_t blocks);
  /// Node `n` has the depths [begin, end) of a shared run, and no others of it. It has none if
  /// end <= begin.
  void set_cached(NodeId n, RunId run, std::int32_t begin, std::int32_t end);
  /// Node `n` has lost its cache.
  void forget(NodeId n);

  /// Writes [node] the blocks from the root of the path that the node should have.
  void hit_blocks(std::span<const PathSpan> shared, std::span<double> out) const;
  /// Blocks recorded for node `n`. Blocks of a prompt that was sent count even if unshared.
  [[nodiscard]] std::int32_t blocks(NodeId n) const { return nodes_[index(n)].blocks; }

 private:
  static constexpr std::uint32_t kNone = RunTable::kNone;
  /// Depths [begin, end) of a run on one node, in the node's list by last use. Parents are used
  /// after their children, so the oldest entry is a leaf.
  struct Entry {
    /// kNone: blocks of a single request, which are only counted.
    std::uint32_t row = kNone;
    std::int32_t begin = 0;
    std::int32_t end = 0;
    /// Also links unused entries.
    std::uint32_t older = kNone;
    std::uint32_t younger = kNone;
  };
  struct Node {
    std::int32_t capacity = 0;
    std::int32_t blocks = 0;
    std::uint32_t oldest = kNone;
    std::uint32_t youngest = kNone;
  };
  /// A run that some node has.
  struct Row {
    RunId id = kNoRun;
    /// Number of nodes that have some of it.
    std::int32_t nodes = 0;
  };
  [[nodiscard]] std::uint32_t& cell(std::uint32_t row, std::size_t node) {
    return cells_[row * nodes_.size() + node];
  }
  std::uint32_t find_or_add_row(RunId run);
  void use(std::size_t node, RunId run, std::int32_t begin, std::int32_t end);
  void add_entry(std::size_t node, const Entry&);
  void drop(std::size_t node, std::uint32_t entry);
  void unlink(std::size_t node, std::uint32_t entry);
  void link_youngest(std::size_t node, std::uint32_t entry);
  void evict(std::size_t node);

  std::vector<Node> nodes_;
  std::vector<Entry> entries_;
  std::uint32_t unused_entry_ = kNone;
  std::vector<Row> rows_;
  RunTable row_of_;
  /// [row][node] entry, or kNone.
  std::vector<std::uint32_t> cells_;
  std::vector<std::uint32_t> unused_rows_;
};

}  // namespace yardmaster
