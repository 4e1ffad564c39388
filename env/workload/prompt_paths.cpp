#include "env/workload/prompt_paths.h"

#include <algorithm>

namespace yardmaster {

bool PathBuilder::add(std::span<const std::uint64_t> ids, std::int32_t blocks) {
  const auto depth_of = [](std::size_t i) { return static_cast<std::uint32_t>(i); };
  // The known ids must come first, each at its depth and after its parent.
  std::uint32_t last = kRoot;
  std::size_t known = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto found = index_.find(ids[i]);
    if (found == index_.end()) {
      continue;
    }
    const Text& text = texts_[found->second];
    if (known != i || text.depth != depth_of(i) || text.parent != last) {
      return false;
    }
    last = found->second;
    ++known;
  }
  for (std::size_t i = known; i < ids.size(); ++i) {
    const auto added = static_cast<std::uint32_t>(texts_.size());
    if (!index_.emplace(ids[i], added).second) {
      // The same id twice in one prompt. Remove what was added for this prompt.
      for (std::size_t j = known; j < i; ++j) {
        index_.erase(ids[j]);
      }
      texts_.resize(texts_.size() - (i - known));
      return false;
    }
    texts_.push_back({last, depth_of(i)});
    last = added;
  }
  for (std::uint32_t t = last; t != kRoot; t = texts_[t].parent) {
    ++texts_[t].requests;
  }
  last_.push_back(last);
  blocks_.push_back(blocks);
  return true;
}

// Assigns runs to the texts that several requests have, in order of appearance. A text whose parent
// ends a run extends that run. Any other text starts a run. The index of a text is larger than that
// of its parent.
PromptPaths PathBuilder::build() const {
  constexpr std::uint32_t kNone = 0xFFFFFFFFU;
  PromptPaths paths;
  std::vector<std::uint32_t> run(texts_.size(), kNone);
  std::vector<std::uint32_t> run_end;  // [run]: its last text
  for (std::uint32_t t = 0; t < texts_.size(); ++t) {
    if (texts_[t].requests < 2) {
      continue;
    }
    const std::uint32_t parent = texts_[t].parent;
    if (parent != kRoot && run_end[run[parent]] == parent) {
      run[t] = run[parent];
      run_end[run[t]] = t;
    } else {
      run[t] = static_cast<std::uint32_t>(run_end.size());
      run_end.push_back(t);
      paths.begin_.push_back(static_cast<std::int32_t>(texts_[t].depth) * blocks_per_id_);
    }
  }
  paths.first_.push_back(0);
  for (std::size_t p = 0; p < last_.size(); ++p) {
    const auto begin = static_cast<std::ptrdiff_t>(paths.spans_.size());
    std::uint32_t last_run = kNone;
    for (std::uint32_t t = last_[p]; t != kRoot; t = texts_[t].parent) {
      const auto end = static_cast<std::int32_t>(
          std::min<std::int64_t>(blocks_[p], (std::int64_t{texts_[t].depth} + 1) * blocks_per_id_));
      const bool starts_here =
          std::int64_t{texts_[t].depth} * blocks_per_id_ < std::int64_t{blocks_[p]};
      if (run[t] != kNone && run[t] != last_run && starts_here) {
        paths.spans_.push_back({shared_run(run[t]), end});
        last_run = run[t];
      }
    }
    std::reverse(paths.spans_.begin() + begin, paths.spans_.end());
    paths.first_.push_back(static_cast<std::uint32_t>(paths.spans_.size()));
  }
  return paths;
}

}  // namespace yardmaster
