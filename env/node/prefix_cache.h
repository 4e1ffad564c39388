// The KV memory of a node with prefix caching: exactly the block pool of vLLM, without a block.
//
// Blocks are handled in *pieces*: one physical copy of depths [begin, end) of one run
// (env/workload/prompt_paths.h), all with the same number of holders. Invariants:
//  1. A piece is published: it can be hit. Unpublished blocks of a holder are only counted
//     (held - published), since what is published is always a prefix of what is held.
//  2. A piece without holders is one stretch of the free queue, its last block nearest the front;
//     unhashed free blocks are a stretch that is only counted.
//  3. The pieces of a run are in a list. At each depth the order in it is the order of publication,
//     and only that order carries meaning.
//  4. A live block has its parent alive, because requests free and the queue evicts tails first.
//     Therefore what is alive of a run is one stretch from its beginning, and the oldest live copy
//     is never older at a greater depth.
// A piece that must be shorter is split: the tail goes right after it in the list, right before it
// in the free queue, and is its *next part*. Holders name pieces by their heads and walk next
// parts, so a split touches no holder. Eviction does not leave prefixes of copies, hits do not
// begin where copies begin, and idle blocks are not suffixes: hence the splits.
//
// A value without pointers. Assignment into a cache that has been as large allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "env/base/units.h"
#include "env/workload/prompt_paths.h"
#include "env/workload/run_table.h"

namespace yardmaster {

/// Where an engine's version puts blocks that become free, last block of the request first.
enum class FreedBlocks : std::uint8_t {
  unhashed_to_front,  // vLLM 0.32: hashed ones to the back of the free queue
  all_to_back,        // vLLM 0.19
};

/// Something that holds blocks: a running request.
enum class HolderId : std::uint32_t {};
inline constexpr HolderId kNoHolder{0xFFFFFFFFU};

/// What a lookup finds: full blocks from the root, and how many of them lie in the free queue.
struct PrefixHit {
  std::int32_t blocks = 0, idle = 0;
  constexpr bool operator==(const PrefixHit&) const = default;
};

/// A change of what can be hit: of a shared run, the depths up to `end` are alive; 0: none is.
struct KvEvent {
  Time at;
  RunId run = kNoRun;
  std::int32_t end = 0;
  constexpr bool operator==(const KvEvent&) const = default;
};

/// A stretch of the free queue for tests and audits: from its front, depths end - 1 down to begin
/// of `run`; kNoRun: unhashed blocks.
struct FreeStretch {
  RunId run = kNoRun;
  std::int32_t begin = 0, end = 0;
  constexpr bool operator==(const FreeStretch&) const = default;
};

/// The blocks of one node.
class PrefixCache {
 public:
  PrefixCache() = default;
  /// `blocks` that can be handed out; all are free and unhashed. `log_events`: changes of shared
  /// runs are kept until drain_events.
  PrefixCache(std::int32_t blocks, FreedBlocks freed, bool log_events = false);

  /// Blocks in the free queue, hittable ones included.
  [[nodiscard]] std::int32_t free_blocks() const { return free_; }
  /// Blocks of the longest prefix of `path` that is alive, at most `limit`. Changes nothing.
  [[nodiscard]] PrefixHit lookup(const PromptPath& path, std::int32_t limit) const;

  /// A new holder of the first `hit_blocks` blocks of `path`, what a lookup with nothing changed
  /// since has found or fewer. They count as held and published.
  HolderId admit(const PromptPath& path, std::int32_t hit_blocks);
  /// Gives `blocks` more, unhashed, from the front of the free queue, which evicts what is there.
  /// REQUIRES blocks <= free_blocks().
  void take(HolderId h, std::int32_t blocks) {
    take(blocks);
    credit(h, blocks);
  }
  /// The two halves of that. Whose blocks they are does not matter to the free queue, so a node
  /// takes them together and credits a holder when its blocks are to be published or released.
  void take(std::int32_t blocks);
  void credit(HolderId h, std::int32_t blocks) { holders_[index(h)].held += blocks; }
  /// The holder's first `up_to` blocks can be hit from now on; those that are already stay so, and
  /// a smaller number does nothing. `path` is the one it was admitted with. REQUIRES up_to <= held.
  void publish(HolderId, const PromptPath& path, std::int32_t up_to);
  /// Frees all blocks of the holder and removes it.
  void release(HolderId);
  /// Everything is lost: as constructed, but for unread events and the memory that a used cache
  /// has.
  void reset();

  /// Blocks of a holder, and how many of them are published.
  [[nodiscard]] std::int32_t held(HolderId h) const { return holders_[index(h)].held; }
  [[nodiscard]] std::int32_t published(HolderId h) const { return holders_[index(h)].published; }
  /// Takes and publications may be made later, in any order between holders, up to the next lookup,
  /// admit or release, as long as no two of them publish in one shared run. True: from here on this
  /// holder publishes in its own run only.
  [[nodiscard]] bool publishes_alone(HolderId h, const PromptPath& path) const {
    return published(h) >= path.shared_blocks();
  }

  /// Events are stamped with `now` from here on.
  void set_time(Time now) { time_ = now; }
  /// Appends the changes since the last drain, in order, and forgets them. A run may appear several
  /// times; the last one counts.
  void drain_events(std::vector<KvEvent>& out);
  /// Appends the free queue from its front.
  void list_free(std::vector<FreeStretch>& out) const;
  /// Pieces alive: what a copy costs.
  [[nodiscard]] std::size_t pieces() const { return live_pieces_; }

 private:
  static constexpr std::uint32_t kNone = RunTable::kNone;
  struct Piece {
    std::uint32_t run = kNone;  // index into runs_; kNone: unhashed blocks
    std::int32_t begin = 0, end = 0;
    std::int32_t holders = 0;
    std::uint32_t ahead = kNone, behind = kNone;   // in the free queue
    std::uint32_t older = kNone, younger = kNone;  // in the run's list; `younger` links unused ones
    /// The last part split off the tail. May be stale; then it is not followed.
    std::uint32_t next_part = kNone;
  };
  struct Run {
    RunId id = kNoRun;
    std::uint32_t oldest = kNone, youngest = kNone;  // `oldest` links unused ones
    std::int32_t end = 0;                            // of what is alive
  };
  /// Depths from the previous span's end to `end`, by walking next parts from `piece`.
  struct Span {
    std::uint32_t piece = kNone;
    std::int32_t end = 0;
    std::uint32_t before = kNone;  // the span towards the root; links unused ones
  };
  struct Holder {
    std::int32_t held = 0, published = 0;
    std::uint32_t newest = kNone;  // span
    std::uint32_t tail = kNone;    // a piece of that span, at or before its last
    std::uint32_t place = 0;       // the path's stretch where publishing goes on; links unused ones
  };
  static std::size_t index(HolderId h) { return static_cast<std::size_t>(h); }

  // Runs.
  [[nodiscard]] std::uint32_t find_run(RunId id) const { return run_table_.find(id, runs_); }
  std::uint32_t find_or_add_run(RunId);
  void remove_run(std::uint32_t run);
  void shorten_run(std::uint32_t run);
  void note(const Run&);

  // Pieces.
  std::uint32_t new_piece(const Piece&);
  void drop_piece(std::uint32_t piece);
  void append_to_run(std::uint32_t piece);
  std::uint32_t split(std::uint32_t head, std::int32_t at);
  [[nodiscard]] bool may_swallow(std::uint32_t head, std::uint32_t tail) const;

  // The free queue.
  void enqueue(std::uint32_t piece, std::uint32_t ahead, std::uint32_t behind);
  void dequeue(std::uint32_t piece);
  void free_unhashed(std::int32_t blocks);
  void free_piece(std::uint32_t piece);
  void free_span(const Span&);

  // Holders.
  void add_span(Holder&, std::uint32_t piece, std::int32_t end);
  void hold_run(Holder&, RunId, std::int32_t limit);
  void publish_in_run(Holder&, RunId, std::int32_t up_to);
  bool extend_last_piece(Holder&, RunId, std::int32_t up_to);

  FreedBlocks freed_ = FreedBlocks::unhashed_to_front;
  bool log_events_ = false;
  Time time_;
  std::int32_t blocks_ = 0, free_ = 0;
  std::uint32_t front_ = kNone, back_ = kNone;  // of the free queue
  std::uint32_t unused_piece_ = kNone, unused_run_ = kNone, unused_span_ = kNone,
                unused_holder_ = kNone;
  std::size_t live_pieces_ = 0;
  std::vector<Piece> pieces_;
  std::vector<Run> runs_;
  RunTable run_table_;
  std::vector<Span> spans_;
  std::vector<Holder> holders_;
  std::vector<KvEvent> events_;
  std::vector<std::uint32_t> walk_;  // scratch of release
};

}  // namespace yardmaster
