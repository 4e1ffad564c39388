// One number that stands for everything that happened in a run.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/random.h"
#include "env/base/units.h"

namespace yardmaster {

/// What can be true of a task at an instant. Only these enter the digest: never segments, reports
/// or heap operations, so that laziness cannot change it.
enum class Fact : std::uint8_t {
  arrived,
  sent,
  scheduled,
  first_token,
  preempted,
  finished,
  failed,
  rejected,
  cancelled
};

/// A task's part in the hash of its facts.
constexpr std::uint64_t hash_of(const TaskAddress& at) {
  const std::uint64_t who = (static_cast<std::uint64_t>(at.tenant) << 32) | at.workflow;
  const std::uint64_t where = (static_cast<std::uint64_t>(at.stage) << 48) |
                              (static_cast<std::uint64_t>(at.branch) << 32) |
                              (static_cast<std::uint64_t>(at.loop) << 16) | at.attempt;
  return mix64(mix64(who) ^ where);
}

/// Sum of hashes of facts: the order in which facts are reported does not matter, only which they
/// are.
class Digest {
 public:
  /// Adds a fact. Where it happened counts for `sent` only: later facts of an attempt happen on the
  /// node that it was sent to.
  void add(Fact fact, const TaskAddress& at, NodeId node, Time when) {
    add(fact, hash_of(at), node, when);
  }
  /// The same with hash_of(address) at hand.
  void add(Fact fact, std::uint64_t address_hash, NodeId node, Time when) {
    // Odd constants keep kinds and nodes apart.
    constexpr std::uint64_t kKindSpread = 0xD1B54A32D192ED03ULL;
    constexpr std::uint64_t kNodeSpread = 0x8CB92BA72F3D8DD7ULL;
    const std::uint64_t kind = static_cast<std::uint64_t>(fact) + 1;
    const std::uint64_t place = fact == Fact::sent ? static_cast<std::uint64_t>(node) + 1 : 0;
    value_ += mix64((address_hash + kind * kKindSpread + place * kNodeSpread) ^
                    mix64(static_cast<std::uint64_t>(when.ps)));
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

/// Hears facts as they become certain; a node's own facts may come after a later one of another
/// node.
class FactSink {
 public:
  virtual ~FactSink() = default;
  virtual void on_fact(Fact, const TaskAddress&, NodeId, Time) = 0;
};

/// The digest and, if somebody listens, the sink: where nodes and the simulation report facts.
class FactLog {
 public:
  Digest digest;

  /// `address_hash` is hash_of(at), which whoever reports has at hand.
  void add(Fact fact, const TaskAddress& at, std::uint64_t address_hash, NodeId node, Time when) {
    digest.add(fact, address_hash, node, when);
    if (heard_) [[unlikely]] {
      tell({fact, at, node, when});
    }
  }
  /// The simulation runs, and `sink` (or nobody: null) hears the facts, those first that were kept
  /// since it stopped.
  void listen(FactSink* sink) {
    sink_ = sink;
    heard_ = sink != nullptr;
    for (const Record& r : unheard_) {
      if (sink != nullptr) {
        sink->on_fact(r.fact, r.at, r.node, r.when);
      }
    }
    unheard_.clear();
  }
  /// The simulation stops; if somebody listened, facts are kept for the next to do so.
  void stop() { sink_ = nullptr; }

 private:
  struct Record {
    Fact fact;
    TaskAddress at;
    NodeId node;
    Time when;
  };
  // Out of line: facts are counted far more often than heard.
  void tell(const Record& fact);

  FactSink* sink_ = nullptr;
  bool heard_ = true;  // somebody listens, or did when it stopped
  std::vector<Record> unheard_;
};

}  // namespace yardmaster
