// Compares the prefix cache with the block pool: hits, free blocks, the whole free queue and the
// events, over random operations on tiny memories, where texts branch, copies arise and every rule
// of order matters. YARDMASTER_CACHE_CASES sets the number of cases (default 3,000),
// YARDMASTER_CACHE_SEED the first.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "tests/reference/block_pool.h"
#include "tests/support/dice.h"

namespace yardmaster::reference {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Texts that branch: a prompt walks a random tree, then continues with blocks of its own.
struct Texts {
  std::vector<std::vector<BlockHash>> hashes;  // [request]
  PromptPaths paths;
  std::map<std::pair<RunId, std::int32_t>, BlockHash> names;  // the text at a depth of a run

  explicit Texts(Dice& dice) {
    const std::int64_t requests = dice.between(2, 10), children = dice.between(1, 3),
                       longest = dice.between(2, 12);
    std::map<std::pair<BlockHash, std::int64_t>, BlockHash> tree;
    BlockHash last_hash = 0;
    PathBuilder builder(1);
    for (std::int64_t r = 0; r < requests; ++r) {
      std::vector<BlockHash> text;
      BlockHash at = 0;
      const std::int64_t length = dice.between(1, longest);
      const std::int64_t in_tree = dice.one_in(3) ? length : dice.between(0, length);
      while (static_cast<std::int64_t>(text.size()) < length) {
        const bool shared = static_cast<std::int64_t>(text.size()) < in_tree;
        BlockHash& next = tree[{at, shared ? dice.between(0, children - 1) : children + r}];
        next = next == 0 ? ++last_hash : next;
        at = next;
        text.push_back(at);
      }
      EXPECT_TRUE(builder.add(text, static_cast<std::int32_t>(length)));
      hashes.push_back(text);
    }
    paths = builder.build();
    for (std::size_t r = 0; r < hashes.size(); ++r) {
      name(r);
    }
  }

  [[nodiscard]] PromptPath path(std::size_t r) const {
    return paths.path(static_cast<PathId>(r), object_address(0, static_cast<std::uint32_t>(r)));
  }

 private:
  void name(std::size_t r) {
    const PromptPath p = path(r);
    std::size_t place = 0;
    for (std::int32_t d = 0; d < std::ssize(hashes[r]); ++d) {
      while (place < p.shared.size() && p.shared[place].end <= d) {
        ++place;
      }
      const RunId run = place < p.shared.size() ? p.shared[place].run : p.own;
      const BlockHash hash = hashes[r][static_cast<std::size_t>(d)];
      EXPECT_EQ(names.try_emplace({run, d}, hash).first->second, hash) << "one name, two texts";
    }
  }
};

/// One case: a pool, a cache that takes and publishes at once, and one that does so late, as a node
/// within a decode segment does.
class Trial {
 public:
  explicit Trial(std::uint64_t seed)
      : dice_(seed),
        texts_(dice_),
        blocks_(dice_.tokens(2, 24)),
        freed_(dice_.pick({FreedBlocks::unhashed_to_front, FreedBlocks::all_to_back})),
        pool_(blocks_, freed_),
        cache_(blocks_, freed_, true),
        late_(blocks_, freed_) {}

  /// Empty if all agree, else the difference.
  std::string run() {
    const std::int64_t operations = dice_.between(10, 120);
    for (std::int64_t i = 0; i < operations && difference_.str().empty(); ++i) {
      step();
      compare();
    }
    return difference_.str();
  }

 private:
  struct Running {
    std::size_t request, in_pool;
    HolderId in_cache, in_late;
    std::int32_t late_take = 0, late_publish = 0;
  };

  void step() {
    switch (dice_.between(0, 9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return admit(pick_request());
      case 4:
      case 5:
        return running_.empty() ? void() : release(pick_running());
      case 6:
        return dice_.one_in(30) ? lose_everything() : copy();
      case 7:
        for (std::size_t i = 0; i < running_.size(); ++i) {
          grow(running_[i], 1);
        }
        return;
      default:
        return running_.empty() ? void() : grow(running_[pick_running()], dice_.tokens(0, 4));
    }
  }

  std::size_t pick_request() {
    return static_cast<std::size_t>(dice_.between(0, std::ssize(texts_.hashes) - 1));
  }
  std::size_t pick_running() {
    return static_cast<std::size_t>(dice_.between(0, std::ssize(running_) - 1));
  }
  [[nodiscard]] std::int32_t length(std::size_t request) const {
    return static_cast<std::int32_t>(texts_.hashes[request].size());
  }

  void admit(std::size_t request) {
    for (const Running& r : running_) {
      if (r.request == request) {
        return;  // its own run is not shared
      }
    }
    catch_up();
    const PromptPath path = texts_.path(request);
    const std::int32_t blocks = length(request);
    const std::int32_t limit = dice_.one_in(4) ? dice_.tokens(0, blocks) : blocks - 1;
    const PrefixHit hit = pool_.lookup(texts_.hashes[request], limit);
    expect_equal("hit", hit.blocks, cache_.lookup(path, limit).blocks);
    expect_equal("idle blocks of a hit", hit.idle, cache_.lookup(path, limit).idle);
    const std::int32_t more = dice_.tokens(0, blocks - hit.blocks);
    if (hit.idle + more > pool_.free_blocks() || !difference_.str().empty()) {
      return;
    }
    running_.push_back({request, pool_.admit(texts_.hashes[request], hit.blocks),
                        cache_.admit(path, hit.blocks), late_.admit(path, hit.blocks)});
    grow(running_.back(), more);
  }

  /// Takes blocks as far as text and memory reach, and usually publishes all of them.
  void grow(Running& r, std::int32_t blocks) {
    const std::int32_t held = pool_.held(r.in_pool);
    blocks = std::min({blocks, length(r.request) - held, pool_.free_blocks()});
    const std::int32_t up_to = held + blocks - (dice_.one_in(4) ? dice_.tokens(0, 2) : 0);
    const PromptPath path = texts_.path(r.request);
    pool_.take(r.in_pool, blocks);
    cache_.take(r.in_cache, blocks);
    pool_.publish(r.in_pool, up_to);
    cache_.publish(r.in_cache, path, up_to);
    r.late_take += blocks;
    r.late_publish = std::max(r.late_publish, up_to);
    if (!late_.publishes_alone(r.in_late, path) || dice_.one_in(3)) {
      catch_up(r);
    }
  }

  void release(std::size_t i) {
    catch_up();
    pool_.release(running_[i].in_pool);
    cache_.release(running_[i].in_cache);
    late_.release(running_[i].in_late);
    running_[i] = running_.back();
    running_.pop_back();
  }

  void lose_everything() {
    pool_.reset();
    cache_.reset();
    late_.reset();
    running_.clear();
  }

  /// Continues with a copy in place of the original.
  void copy() {
    spare_ = cache_;
    std::swap(spare_, cache_);
    spare_.reset();
  }

  void catch_up(Running& r) {
    late_.take(r.in_late, std::exchange(r.late_take, 0));
    late_.publish(r.in_late, texts_.path(r.request), r.late_publish);
  }
  void catch_up() {
    for (std::size_t i = running_.size(); i-- > 0;) {  // in another order than the other cache
      catch_up(running_[i]);
    }
  }

  template <class T>
  void expect_equal(const char* what, const T& want, const T& got) {
    if (want != got && difference_.str().empty()) {
      difference_ << what << ": pool " << ::testing::PrintToString(want) << ", cache "
                  << ::testing::PrintToString(got);
    }
  }

  void compare() {
    expect_equal("free blocks", pool_.free_blocks(), cache_.free_blocks());
    for (const Running& r : running_) {
      expect_equal("held", pool_.held(r.in_pool), cache_.held(r.in_cache));
    }
    expect_equal("free queue", pool_.free_queue(), free_queue(cache_));
    hear_events();
    for (std::size_t r = 0; r < texts_.hashes.size(); ++r) {
      const PromptPath path = texts_.path(r);
      const PrefixHit hit = pool_.lookup(texts_.hashes[r], length(r));
      expect_equal("hit of all", hit.blocks, cache_.lookup(path, length(r)).blocks);
      expect_equal("idle of all", hit.idle, cache_.lookup(path, length(r)).idle);
      expect_equal("hit by events", std::min(hit.blocks, path.shared_blocks()), by_events(path));
    }
    if (dice_.one_in(4)) {
      catch_up();
      expect_equal("free queue, late", pool_.free_queue(), free_queue(late_));
    }
  }

  std::vector<BlockHash> free_queue(const PrefixCache& cache) {
    std::vector<FreeStretch> stretches;
    cache.list_free(stretches);
    std::vector<BlockHash> hashes;
    for (const FreeStretch& s : stretches) {
      for (std::int32_t d = s.end; d-- > s.begin;) {
        hashes.push_back(s.run == kNoRun ? 0 : texts_.names.at({s.run, d}));
      }
    }
    return hashes;
  }

  void hear_events() {
    std::vector<KvEvent> events;
    cache_.drain_events(events);
    for (const KvEvent& e : events) {
      if (e.run == kNoRun) {
        reach_.clear();
      } else {
        reach_[e.run] = e.end;
      }
    }
  }
  std::int32_t by_events(const PromptPath& path) {
    std::int32_t depth = 0;
    for (const PathSpan& span : path.shared) {
      depth = std::max(depth, std::min(span.end, reach_[span.run]));
      if (depth < span.end) {
        break;
      }
    }
    return depth;
  }

  Dice dice_;
  Texts texts_;
  std::int32_t blocks_;
  FreedBlocks freed_;
  BlockPool pool_;
  PrefixCache cache_, late_, spare_;
  std::vector<Running> running_;
  std::map<RunId, std::int32_t> reach_;
  std::ostringstream difference_;
};

TEST(PrefixCacheDifferential, AgreesWithABlockPoolInHitsAndInTheOrderOfTheFreeQueue) {
  const std::uint64_t cases = number_from("YARDMASTER_CACHE_CASES", 3000);
  const std::uint64_t first = number_from("YARDMASTER_CACHE_SEED", 1);
  for (std::uint64_t seed = first; seed < first + cases; ++seed) {
    ASSERT_EQ(Trial(seed).run(), "") << "YARDMASTER_CACHE_SEED=" << seed;
  }
}

}  // namespace
}  // namespace yardmaster::reference
