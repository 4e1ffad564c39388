#include "env/view/prefix_index.h"

#include <algorithm>
#include <utility>

namespace yardmaster {

PrefixIndex::PrefixIndex(const std::vector<std::int32_t>& capacity) {
  for (const std::int32_t blocks : capacity) {
    nodes_.push_back({blocks, 0, kNone, kNone});
  }
}

void PrefixIndex::sent(NodeId n, std::span<const PathSpan> shared, std::int32_t blocks) {
  const std::size_t node = index(n);
  const std::int32_t common = shared.empty() ? 0 : std::min(shared.back().end, blocks);
  if (blocks > common) {
    add_entry(node, {kNone, common, blocks});
  }
  for (std::size_t i = shared.size(); i-- > 0;) {
    const std::int32_t begin = i == 0 ? 0 : shared[i - 1].end;
    if (begin < blocks) {
      use(node, shared[i].run, begin, std::min(shared[i].end, blocks));
    }
  }
  evict(node);
}

void PrefixIndex::set_cached(NodeId n, RunId run, std::int32_t begin, std::int32_t end) {
  const std::size_t node = index(n);
  if (end > begin) {
    use(node, run, begin, end);
  }
  const std::uint32_t row = row_of_.find(run, rows_);
  const std::uint32_t known = row == kNone ? kNone : cell(row, node);
  if (known == kNone) {
    return;
  }
  if (end <= begin) {
    drop(node, known);
  } else {
    nodes_[node].blocks -= entries_[known].end - end;
    entries_[known].end = end;
  }
}

void PrefixIndex::forget(NodeId n) {
  while (nodes_[index(n)].oldest != kNone) {
    drop(index(n), nodes_[index(n)].oldest);
  }
}

void PrefixIndex::hit_blocks(std::span<const PathSpan> shared, std::span<double> out) const {
  std::fill(out.begin(), out.end(), 0.0);
  std::int32_t begin = 0;
  for (const PathSpan& span : shared) {
    const std::uint32_t row = row_of_.find(span.run, rows_);
    if (row == kNone) {
      return;
    }
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      const std::uint32_t entry = cells_[row * nodes_.size() + n];
      if (entry != kNone && out[n] == static_cast<double>(begin)) {
        out[n] = std::min(entries_[entry].end, span.end);
      }
    }
    begin = span.end;
  }
}

// The run becomes the node's youngest, and reaches `end` at least.
void PrefixIndex::use(std::size_t node, RunId run, std::int32_t begin, std::int32_t end) {
  const std::uint32_t row = find_or_add_row(run);
  const std::uint32_t known = cell(row, node);
  if (known == kNone) {
    ++rows_[row].nodes;
    add_entry(node, {row, begin, end});
    cell(row, node) = nodes_[node].youngest;
    return;
  }
  Entry& entry = entries_[known];
  nodes_[node].blocks += std::max(0, end - entry.end);
  entry.end = std::max(entry.end, end);
  unlink(node, known);
  link_youngest(node, known);
}

void PrefixIndex::add_entry(std::size_t node, const Entry& entry) {
  std::uint32_t e = unused_entry_;
  if (e == kNone) {
    e = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    unused_entry_ = entries_[e].older;
  }
  entries_[e] = entry;
  nodes_[node].blocks += entry.end - entry.begin;
  link_youngest(node, e);
}

void PrefixIndex::drop(std::size_t node, std::uint32_t e) {
  const Entry& entry = entries_[e];
  nodes_[node].blocks -= entry.end - entry.begin;
  unlink(node, e);
  if (entry.row != kNone) {
    cell(entry.row, node) = kNone;
    if (--rows_[entry.row].nodes == 0) {
      row_of_.erase(entry.row, rows_);
      unused_rows_.push_back(entry.row);
    }
  }
  entries_[e].older = std::exchange(unused_entry_, e);
}

// Shrinks to the capacity: the oldest entries first, from their tails.
void PrefixIndex::evict(std::size_t node) {
  while (nodes_[node].blocks > nodes_[node].capacity) {
    const std::uint32_t oldest = nodes_[node].oldest;
    Entry& entry = entries_[oldest];
    const std::int32_t excess = nodes_[node].blocks - nodes_[node].capacity;
    if (excess >= entry.end - entry.begin) {
      drop(node, oldest);
    } else {
      entry.end -= excess;
      nodes_[node].blocks -= excess;
    }
  }
}

std::uint32_t PrefixIndex::find_or_add_row(RunId run) {
  std::uint32_t row = row_of_.find(run, rows_);
  if (row != kNone) {
    return row;
  }
  if (unused_rows_.empty()) {
    row = static_cast<std::uint32_t>(rows_.size());
    rows_.emplace_back();
    cells_.resize(cells_.size() + nodes_.size(), kNone);
  } else {
    row = unused_rows_.back();
    unused_rows_.pop_back();
  }
  rows_[row].id = run;
  row_of_.insert(row, rows_);
  return row;
}

void PrefixIndex::unlink(std::size_t node, std::uint32_t e) {
  const Entry& entry = entries_[e];
  (entry.older == kNone ? nodes_[node].oldest : entries_[entry.older].younger) = entry.younger;
  (entry.younger == kNone ? nodes_[node].youngest : entries_[entry.younger].older) = entry.older;
}

void PrefixIndex::link_youngest(std::size_t node, std::uint32_t e) {
  entries_[e].older = std::exchange(nodes_[node].youngest, e);
  entries_[e].younger = kNone;
  const std::uint32_t older = entries_[e].older;
  (older == kNone ? nodes_[node].oldest : entries_[older].younger) = e;
}

}  // namespace yardmaster
