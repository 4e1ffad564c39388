#include "env/workload/prompt_paths.h"

#include <algorithm>

namespace yardmaster {

bool PathBuilder::add(std::span<const std::uint64_t> ids, std::int32_t blocks) {
  const auto depth_of = [](std::size_t i) { return static_cast<std::uint32_t>(i); };
  // Whether the ids continue the tree: those that are known come first, each after the same one.
  std::uint32_t last = kRoot;
  std::size_t known = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto found = index_.find(ids[i]);
    if (found == index_.end()) {
      continue;
    }
    const Text& text = texts_[found->second];
    if (known != i || text.depth != depth_of(i) || text.before != last) {
      return false;
    }
    last = found->second;
    ++known;
  }
  for (std::size_t i = known; i < ids.size(); ++i) {
    const auto fresh = static_cast<std::uint32_t>(texts_.size());
    if (!index_.emplace(ids[i], fresh).second) {
      // The same id twice in one prompt: what was added of it goes again.
      for (std::size_t j = known; j < i; ++j) {
        index_.erase(ids[j]);
      }
      texts_.resize(texts_.size() - (i - known));
      return false;
    }
    texts_.push_back({last, depth_of(i)});
    last = fresh;
  }
  for (std::uint32_t t = last; t != kRoot; t = texts_[t].before) {
    ++texts_[t].users;
  }
  last_.push_back(last);
  blocks_.push_back(blocks);
  return true;
}

// Names the texts that several requests have, in order of appearance: a text that follows the end
// of a run lengthens it, another starts a run. A text's number is larger than that of the one
// before.
PromptPaths PathBuilder::build() const {
  constexpr std::uint32_t kNone = 0xFFFFFFFFU;
  PromptPaths paths;
  std::vector<std::uint32_t> run(texts_.size(), kNone);
  std::vector<std::uint32_t> run_end;  // [run] its last text
  for (std::uint32_t t = 0; t < texts_.size(); ++t) {
    if (texts_[t].users < 2) {
      continue;
    }
    const std::uint32_t before = texts_[t].before;
    if (before != kRoot && run_end[run[before]] == before) {
      run[t] = run[before];
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
    for (std::uint32_t t = last_[p]; t != kRoot; t = texts_[t].before) {
      const auto end = static_cast<std::int32_t>(
          std::min<std::int64_t>(blocks_[p], (std::int64_t{texts_[t].depth} + 1) * blocks_per_id_));
      const bool starts_here =
          std::int64_t{texts_[t].depth} * blocks_per_id_ < std::int64_t{blocks_[p]};
      if (run[t] != kNone && run[t] != last_run && starts_here) {
        paths.spans_.push_back({run[t], end});
        last_run = run[t];
      }
    }
    std::reverse(paths.spans_.begin() + begin, paths.spans_.end());
    paths.first_.push_back(static_cast<std::uint32_t>(paths.spans_.size()));
  }
  return paths;
}

}  // namespace yardmaster
