// One number that identifies everything that happened in a run.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/random.h"
#include "env/base/units.h"

namespace yardmaster {

/// What can happen to a task at an instant. Only these enter the digest. Segments, reports and heap
/// operations do not, so lazy evaluation cannot change it.
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

/// Hash of a task's address, the part that all its facts share.
constexpr std::uint64_t hash_of(const TaskAddress& at) {
  const std::uint64_t origin = (static_cast<std::uint64_t>(at.tenant) << 32) | at.workflow;
  const std::uint64_t position = (static_cast<std::uint64_t>(at.stage) << 48) |
                                 (static_cast<std::uint64_t>(at.branch) << 32) |
                                 (static_cast<std::uint64_t>(at.loop) << 16) | at.attempt;
  return mix64(mix64(origin) ^ position);
}

/// The sum of the hashes of all facts. It does not depend on the order in which they are added.
class Digest {
 public:
  /// Adds a fact. The node counts for `sent` only, because later facts of an attempt happen on the
  /// same node.
  void add(Fact fact, const TaskAddress& at, NodeId node, Time when) {
    add(fact, hash_of(at), node, when);
  }
  /// As above, given hash_of() of the address.
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

/// Receives facts once they are certain. Facts of different nodes may arrive out of time order.
class FactSink {
 public:
  virtual ~FactSink() = default;
  virtual void on_fact(Fact, const TaskAddress&, NodeId, Time) = 0;
};

/// Where nodes and the simulation record facts: in the digest and, if one is set, in a sink.
class FactLog {
 public:
  Digest digest;

  /// Records a fact. `address_hash` is hash_of(at), which callers have already computed.
  void add(Fact fact, const TaskAddress& at, std::uint64_t address_hash, NodeId node, Time when) {
    digest.add(fact, address_hash, node, when);
    if (observed_) [[unlikely]] {
      forward({fact, at, node, when});
    }
  }
  /// Sends facts to `sink` from now on, first those kept since stop(). A null sink drops both.
  void listen(FactSink* sink) {
    sink_ = sink;
    observed_ = sink != nullptr;
    for (const Record& r : pending_) {
      if (sink != nullptr) {
        sink->on_fact(r.fact, r.at, r.node, r.when);
      }
    }
    pending_.clear();
  }
  /// Removes the sink. If there was one, further facts are kept for the next.
  void stop() { sink_ = nullptr; }

 private:
  struct Record {
    Fact fact;
    TaskAddress at;
    NodeId node;
    Time when;
  };
  // Out of line, because most runs have no sink.
  void forward(const Record& fact);

  FactSink* sink_ = nullptr;
  // There is a sink, or there was one until stop(). Before the first listen() facts are kept.
  bool observed_ = true;
  std::vector<Record> pending_;
};

}  // namespace yardmaster
