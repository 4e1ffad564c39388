#include "tests/reference/block_pool.h"

#include "env/base/check.h"

namespace yardmaster::reference {

BlockPool::BlockPool(std::int32_t blocks, FreedBlocks freed)
    : freed_(freed), blocks_(static_cast<std::size_t>(blocks)) {
  reset();
}

void BlockPool::reset() {
  blocks_.assign(blocks_.size(), Block{});
  queue_.clear();
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    queue_.push_back(b);
  }
  by_hash_.clear();
  holders_.clear();
}

PrefixHit BlockPool::lookup(std::span<const BlockHash> hashes, std::int32_t limit) const {
  PrefixHit hit;
  for (const BlockHash hash : hashes) {
    const auto found = by_hash_.find(hash);
    if (hit.blocks == limit || found == by_hash_.end()) {
      break;
    }
    ++hit.blocks;
    hit.idle += blocks_[found->second.front()].references == 0 ? 1 : 0;
  }
  return hit;
}

std::size_t BlockPool::admit(std::span<const BlockHash> hashes, std::int32_t hit_blocks) {
  Holder holder;
  holder.hashes.assign(hashes.begin(), hashes.end());
  holder.published = hit_blocks;
  for (const BlockHash hash : hashes.first(static_cast<std::size_t>(hit_blocks))) {
    const std::size_t block = by_hash_.at(hash).front();
    if (blocks_[block].references++ == 0) {
      queue_.remove(block);
    }
    holder.blocks.push_back(block);
  }
  holders_.push_back(holder);
  return holders_.size() - 1;
}

void BlockPool::take(std::size_t holder, std::int32_t blocks) {
  for (std::int32_t i = 0; i < blocks; ++i) {
    holders_[holder].blocks.push_back(take_front());
  }
}

// The block loses its hash here, not when it is freed.
std::size_t BlockPool::take_front() {
  check(!queue_.empty(), "a block is taken that is not free");
  const std::size_t b = queue_.front();
  queue_.pop_front();
  if (blocks_[b].hash != 0) {
    std::vector<std::size_t>& copies = by_hash_.at(blocks_[b].hash);
    std::erase(copies, b);
    if (copies.empty()) {
      by_hash_.erase(blocks_[b].hash);
    }
  }
  blocks_[b] = {0, 1};
  return b;
}

void BlockPool::publish(std::size_t holder, std::int32_t up_to) {
  Holder& h = holders_[holder];
  for (; h.published < up_to; ++h.published) {
    const auto i = static_cast<std::size_t>(h.published);
    blocks_[h.blocks[i]].hash = h.hashes[i];
    by_hash_[h.hashes[i]].push_back(h.blocks[i]);
  }
}

void BlockPool::release(std::size_t holder) {
  std::vector<std::size_t>& held = holders_[holder].blocks;
  auto front = queue_.begin();  // of the blocks put to the front, the last comes first
  for (auto block = held.rbegin(); block != held.rend(); ++block) {
    if (--blocks_[*block].references > 0) {
      continue;
    }
    if (freed_ == FreedBlocks::unhashed_to_front && blocks_[*block].hash == 0) {
      queue_.insert(front, *block);
    } else {
      queue_.push_back(*block);
    }
  }
  held.clear();
}

std::vector<BlockHash> BlockPool::free_queue() const {
  std::vector<BlockHash> hashes;
  for (const std::size_t block : queue_) {
    hashes.push_back(blocks_[block].hash);
  }
  return hashes;
}

}  // namespace yardmaster::reference
