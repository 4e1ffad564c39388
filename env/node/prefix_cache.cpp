#include "env/node/prefix_cache.h"

#include <algorithm>
#include <utility>

#include "env/base/check.h"

namespace yardmaster {

PrefixCache::PrefixCache(std::int32_t blocks, FreedBlocks freed, bool log_events)
    : freed_(freed), log_events_(log_events), blocks_(blocks) {
  free_unhashed(blocks);
}

void PrefixCache::reset() {
  pieces_.clear();
  runs_.clear();
  spans_.clear();
  holders_.clear();
  run_table_.clear();
  front_ = back_ = unused_piece_ = unused_run_ = unused_span_ = unused_holder_ = kNone;
  live_pieces_ = 0;
  free_ = 0;
  if (log_events_) {
    events_.push_back({time_, kNoRun, 0});
  }
  free_unhashed(blocks_);
}

// ---- what can be hit ---------------------------------------------------------------------------

// One pass over each run's list: by invariant 4 the copy that covers the next depth is never older
// than the one that covered the last.
PrefixHit PrefixCache::lookup(const PromptPath& path, std::int32_t limit) const {
  PrefixHit hit;
  const auto cover = [&](RunId id, std::int32_t stop) {
    const std::uint32_t run = find_run(id);
    std::uint32_t p = run == kNone ? kNone : runs_[run].oldest;
    for (; p != kNone && hit.blocks < stop; p = pieces_[p].younger) {
      const Piece& piece = pieces_[p];
      if (piece.begin <= hit.blocks && hit.blocks < piece.end) {
        const std::int32_t end = std::min(piece.end, stop);
        hit.idle += piece.holders == 0 ? end - hit.blocks : 0;
        hit.blocks = end;
      }
    }
    return hit.blocks >= stop;
  };
  for (const PathSpan& span : path.shared) {
    if (hit.blocks >= limit || !cover(span.run, std::min(span.end, limit))) {
      return hit;
    }
  }
  cover(path.own, limit);
  return hit;
}

HolderId PrefixCache::admit(const PromptPath& path, std::int32_t hit_blocks) {
  std::uint32_t id = unused_holder_;
  if (id == kNone) {
    id = static_cast<std::uint32_t>(holders_.size());
    holders_.emplace_back();
  } else {
    unused_holder_ = holders_[id].place;
  }
  Holder holder;
  for (const PathSpan& span : path.shared) {
    if (holder.held >= hit_blocks) {
      break;
    }
    hold_run(holder, span.run, std::min(span.end, hit_blocks));
  }
  if (holder.held < hit_blocks) {
    hold_run(holder, path.own, hit_blocks);
  }
  holder.published = holder.held;
  holders_[id] = holder;
  return HolderId{id};
}

// Walks as lookup does, and holds what it finds up to `limit`, which is alive.
void PrefixCache::hold_run(Holder& holder, RunId id, std::int32_t limit) {
  const std::uint32_t run = find_run(id);
  check(run != kNone, "a hit in a run of which nothing is alive");
  for (std::uint32_t p = runs_[run].oldest; holder.held < limit; p = pieces_[p].younger) {
    check(p != kNone, "a hit of blocks that are not alive");
    if (pieces_[p].begin > holder.held || pieces_[p].end <= holder.held) {
      continue;
    }
    if (pieces_[p].begin < holder.held) {
      p = split(p, holder.held);
    }
    if (pieces_[p].end > limit) {
      split(p, limit);
    }
    Piece& piece = pieces_[p];
    if (piece.holders == 0) {
      dequeue(p);
      free_ -= piece.end - piece.begin;
    }
    ++piece.holders;
    add_span(holder, p, piece.end);
    holder.held = piece.end;
  }
}

void PrefixCache::publish(HolderId h, const PromptPath& path, std::int32_t up_to) {
  Holder& holder = holders_[index(h)];
  check(up_to <= holder.held, "only blocks that are held can be published");
  while (holder.published < up_to) {
    while (holder.place < path.shared.size() && path.shared[holder.place].end <= holder.published) {
      ++holder.place;
    }
    if (holder.place < path.shared.size()) {
      const PathSpan& span = path.shared[holder.place];
      publish_in_run(holder, span.run, std::min(span.end, up_to));
    } else {
      publish_in_run(holder, path.own, up_to);
    }
  }
}

void PrefixCache::publish_in_run(Holder& holder, RunId id, std::int32_t up_to) {
  if (!extend_last_piece(holder, id, up_to)) {
    const std::uint32_t run = find_or_add_run(id);
    const std::uint32_t p = new_piece({run, holder.published, up_to, 1});
    append_to_run(p);
    add_span(holder, p, up_to);
  }
  holder.published = up_to;
  Run& run = runs_[pieces_[holder.tail].run];
  if (up_to > run.end) {
    run.end = up_to;
    note(run);
  }
}

// In place if that copy has no other holder and no later copy is there: otherwise the new blocks
// would count as older than they are.
bool PrefixCache::extend_last_piece(Holder& holder, RunId id, std::int32_t up_to) {
  if (holder.newest == kNone) {
    return false;
  }
  while (pieces_[holder.tail].end != holder.published) {
    holder.tail = pieces_[holder.tail].next_part;
  }
  Piece& last = pieces_[holder.tail];
  if (last.holders != 1 || runs_[last.run].id != id) {
    return false;
  }
  for (std::uint32_t p = last.younger; p != kNone; p = pieces_[p].younger) {
    if (pieces_[p].begin < up_to && pieces_[p].end > holder.published) {
      return false;
    }
  }
  last.end = up_to;
  spans_[holder.newest].end = up_to;
  return true;
}

// ---- the free queue ----------------------------------------------------------------------------

void PrefixCache::take(std::int32_t blocks) {
  check(blocks <= free_, "blocks are taken that are not free");
  free_ -= blocks;
  while (blocks > 0) {
    const std::uint32_t p = front_;
    Piece& piece = pieces_[p];
    const std::int32_t evicted = std::min(blocks, piece.end - piece.begin);
    const bool outermost = piece.run != kNone && piece.end == runs_[piece.run].end;
    const std::uint32_t run = piece.run;
    piece.end -= evicted;
    blocks -= evicted;
    if (piece.begin == piece.end) {
      dequeue(p);
      drop_piece(p);
    }
    if (outermost) {
      shorten_run(run);
    }
  }
}

void PrefixCache::release(HolderId h) {
  Holder& holder = holders_[index(h)];
  free_unhashed(holder.held - holder.published);
  std::uint32_t s = holder.newest;
  while (s != kNone) {
    free_span(spans_[s]);
    const std::uint32_t before = spans_[s].before;
    spans_[s].before = std::exchange(unused_span_, s);
    s = before;
  }
  holder = Holder{};
  holder.place = std::exchange(unused_holder_, static_cast<std::uint32_t>(index(h)));
}

void PrefixCache::free_unhashed(std::int32_t blocks) {
  if (blocks == 0) {
    return;
  }
  free_ += blocks;
  const bool to_front = freed_ == FreedBlocks::unhashed_to_front;
  const std::uint32_t neighbour = to_front ? front_ : back_;
  if (neighbour != kNone && pieces_[neighbour].run == kNone) {
    pieces_[neighbour].end += blocks;
    return;
  }
  const std::uint32_t p = new_piece({kNone, 0, blocks, 0});
  if (to_front) {
    enqueue(p, kNone, front_);
  } else {
    enqueue(p, back_, kNone);
  }
}

// The holder's parts of a span, tail first.
void PrefixCache::free_span(const Span& span) {
  walk_.clear();
  for (std::uint32_t p = span.piece;; p = pieces_[p].next_part) {
    walk_.push_back(p);
    if (pieces_[p].end == span.end) {
      break;
    }
  }
  for (std::size_t i = walk_.size(); i-- > 0;) {
    if (--pieces_[walk_[i]].holders == 0) {
      free_piece(walk_[i]);
    }
  }
}

// To the back of the free queue; one piece with the stretch there if that is its continuation.
void PrefixCache::free_piece(std::uint32_t p) {
  free_ += pieces_[p].end - pieces_[p].begin;
  const std::uint32_t last = back_;
  if (last != kNone && pieces_[last].run == pieces_[p].run &&
      pieces_[last].begin == pieces_[p].end && may_swallow(p, last)) {
    pieces_[p].end = pieces_[last].end;
    dequeue(last);
    drop_piece(last);
  }
  enqueue(p, back_, kNone);
}

// Whether the blocks of `tail` may move in the run's list to where `head` is: nothing that lies
// between the two overlaps them.
bool PrefixCache::may_swallow(std::uint32_t head, std::uint32_t tail) const {
  const Piece& moved = pieces_[tail];
  for (std::uint32_t p = pieces_[head].younger; p != kNone; p = pieces_[p].younger) {
    if (p == tail) {
      return true;
    }
    if (pieces_[p].begin < moved.end && pieces_[p].end > moved.begin) {
      return false;
    }
  }
  return false;
}

void PrefixCache::enqueue(std::uint32_t p, std::uint32_t ahead, std::uint32_t behind) {
  pieces_[p].ahead = ahead;
  pieces_[p].behind = behind;
  (ahead == kNone ? front_ : pieces_[ahead].behind) = p;
  (behind == kNone ? back_ : pieces_[behind].ahead) = p;
}

void PrefixCache::dequeue(std::uint32_t p) {
  const Piece& piece = pieces_[p];
  (piece.ahead == kNone ? front_ : pieces_[piece.ahead].behind) = piece.behind;
  (piece.behind == kNone ? back_ : pieces_[piece.behind].ahead) = piece.ahead;
}

// ---- pieces and runs ---------------------------------------------------------------------------

std::uint32_t PrefixCache::new_piece(const Piece& piece) {
  ++live_pieces_;
  const std::uint32_t p = unused_piece_;
  if (p == kNone) {
    pieces_.push_back(piece);
    return static_cast<std::uint32_t>(pieces_.size() - 1);
  }
  unused_piece_ = pieces_[p].younger;
  pieces_[p] = piece;
  return p;
}

// Forgets a piece that is not in the free queue. Its run stays, perhaps without pieces.
void PrefixCache::drop_piece(std::uint32_t p) {
  const Piece& piece = pieces_[p];
  if (piece.run != kNone) {
    (piece.older == kNone ? runs_[piece.run].oldest : pieces_[piece.older].younger) = piece.younger;
    (piece.younger == kNone ? runs_[piece.run].youngest : pieces_[piece.younger].older) =
        piece.older;
  }
  pieces_[p].younger = std::exchange(unused_piece_, p);
  --live_pieces_;
}

void PrefixCache::append_to_run(std::uint32_t p) {
  Piece& piece = pieces_[p];
  Run& run = runs_[piece.run];
  piece.older = run.youngest;
  (run.youngest == kNone ? run.oldest : pieces_[run.youngest].younger) = p;
  run.youngest = p;
}

// Cuts a piece at depth `at`; returns the tail.
std::uint32_t PrefixCache::split(std::uint32_t head, std::int32_t at) {
  Piece tail = pieces_[head];
  tail.begin = at;
  tail.older = head;
  const std::uint32_t t = new_piece(tail);
  Piece& piece = pieces_[head];
  piece.end = at;
  piece.younger = t;
  piece.next_part = t;
  (tail.younger == kNone ? runs_[tail.run].youngest : pieces_[tail.younger].older) = t;
  if (tail.holders == 0) {
    enqueue(t, piece.ahead, head);
  }
  return t;
}

// After its outermost blocks were evicted: how far the run reaches now.
void PrefixCache::shorten_run(std::uint32_t r) {
  Run& run = runs_[r];
  const std::int32_t before = run.end;
  run.end = 0;
  for (std::uint32_t p = run.oldest; p != kNone; p = pieces_[p].younger) {
    run.end = std::max(run.end, pieces_[p].end);
  }
  if (run.end != before) {
    note(run);
  }
  if (run.oldest == kNone) {
    remove_run(r);
  }
}

std::uint32_t PrefixCache::find_or_add_run(RunId id) {
  const std::uint32_t found = find_run(id);
  if (found != kNone) {
    return found;
  }
  std::uint32_t r = unused_run_;
  if (r == kNone) {
    r = static_cast<std::uint32_t>(runs_.size());
    runs_.emplace_back();
  } else {
    unused_run_ = runs_[r].oldest;
  }
  runs_[r] = Run{id};
  run_table_.insert(r, runs_);
  return r;
}

void PrefixCache::remove_run(std::uint32_t r) {
  run_table_.erase(r, runs_);
  runs_[r].oldest = std::exchange(unused_run_, r);
}

// ---- holders and events ------------------------------------------------------------------------

void PrefixCache::add_span(Holder& holder, std::uint32_t piece, std::int32_t end) {
  std::uint32_t s = unused_span_;
  if (s == kNone) {
    s = static_cast<std::uint32_t>(spans_.size());
    spans_.emplace_back();
  } else {
    unused_span_ = spans_[s].before;
  }
  spans_[s] = {piece, end, holder.newest};
  holder.newest = s;
  holder.tail = piece;
}

void PrefixCache::note(const Run& run) {
  if (!log_events_ || !is_shared(run.id)) {
    return;
  }
  if (!events_.empty() && events_.back().run == run.id && events_.back().at == time_) {
    events_.back().end = run.end;
  } else {
    events_.push_back({time_, run.id, run.end});
  }
}

void PrefixCache::drain_events(std::vector<KvEvent>& out) {
  out.insert(out.end(), events_.begin(), events_.end());
  events_.clear();
}

void PrefixCache::list_free(std::vector<FreeStretch>& out) const {
  for (std::uint32_t p = front_; p != kNone; p = pieces_[p].behind) {
    const Piece& piece = pieces_[p];
    out.push_back({piece.run == kNone ? kNoRun : runs_[piece.run].id, piece.begin, piece.end});
  }
}

}  // namespace yardmaster
