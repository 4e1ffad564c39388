// What the dispatcher believes to lie in the nodes' prefix caches, from one of two sources: what
// the nodes tell of their caches, as old as that is; or its own record of what it sent where, with
// one least recently used list a node, as large as the node's KV memory. The second is approximate,
// as in many routers: it knows no outputs, no preemptions, and takes a prompt for cached once it is
// sent.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "env/base/ids.h"
#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// For each node the depths of shared runs that it should have. A value; written by the simulation.
class PrefixIndex {
 public:
  PrefixIndex() = default;
  /// `capacity`: [node] blocks that are remembered of it; `runs`: how many shared runs there are.
  PrefixIndex(const std::vector<std::int32_t>& capacity, std::uint32_t runs);

  /// A prompt of `blocks` full blocks goes to node `n`; `shared` is its path, which may be longer.
  void sent(NodeId n, std::span<const PathSpan> shared, std::int32_t blocks);
  /// Node `n` tells that of a shared run the depths from its beginning to `end` are alive; none if
  /// `end` is not beyond it.
  void heard(NodeId n, std::uint32_t run, std::int32_t begin, std::int32_t end);
  /// What node `n` had is lost.
  void forget(NodeId n);

  /// Writes [node] the blocks from the root of the path that the node should have.
  void hit_blocks(std::span<const PathSpan> shared, std::span<double> out) const;
  /// Blocks known of node `n`; what was sent counts with what nobody shares.
  [[nodiscard]] std::int32_t blocks(NodeId n) const { return nodes_[index(n)].blocks; }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFU;
  /// Depths [begin, end) of a run on one node; in the node's list by last use. Parents are used
  /// after their children, so the oldest entry is a leaf.
  struct Entry {
    std::uint32_t run = kNone;  // kNone: blocks that only one request has, a mere number
    std::int32_t begin = 0, end = 0;
    std::uint32_t older = kNone, younger = kNone;  // `older` links unused ones
  };
  struct Node {
    std::int32_t capacity = 0, blocks = 0;
    std::uint32_t oldest = kNone, youngest = kNone;
  };
  [[nodiscard]] std::uint32_t& cell(std::uint32_t row, std::size_t node) {
    return rows_[row * nodes_.size() + node];
  }
  std::uint32_t find_or_add_row(std::uint32_t run);
  void use(std::size_t node, std::uint32_t run, std::int32_t begin, std::int32_t end);
  void add_entry(std::size_t node, const Entry&);
  void drop(std::size_t node, std::uint32_t entry);
  void unlink(std::size_t node, std::uint32_t entry);
  void link_youngest(std::size_t node, std::uint32_t entry);
  void evict(std::size_t node);

  std::vector<Node> nodes_;
  std::vector<Entry> entries_;
  std::uint32_t unused_entry_ = kNone;
  std::vector<std::uint32_t> row_of_;     // [run] its row; kNone: no node has any of it
  std::vector<std::uint32_t> rows_;       // [row][node] entry, or kNone
  std::vector<std::int32_t> row_users_;   // [row] nodes that have some of it
  std::vector<std::uint32_t> free_rows_;  // rows without users
};

}  // namespace yardmaster
