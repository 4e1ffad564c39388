// When something happens next, and to whom.
#pragma once

#include <cstddef>
#include <cstdint>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/base/winner_tree.h"

namespace yardmaster {

/// What happens first in an instant.
enum class Phase : std::uint8_t {
  output,   // a node's outputs become visible
  health,   // a node crashes, is detected as down, is repaired, becomes slow or fast
  arrival,  // a tenant's next task becomes visible
  offer,    // the ready queue is looked at
  plan,     // a node plans
};

/// One next event per node, one per tenant, and one for the ready queue, in the order of (time,
/// phase, index).
class EventQueue {
 public:
  enum class Source : std::uint8_t { node, tenant, ready_queue };
  /// The next event. `index` is that of the node or the tenant.
  struct Event {
    Time at;
    Phase phase = Phase::plan;
    Source source = Source::node;
    std::size_t index = 0;
  };

  EventQueue(std::size_t nodes, std::size_t tenants) : nodes_(nodes), dispatcher_(1 + tenants) {}

  /// Time::never(): none.
  void set_node(NodeId n, Time at, Phase phase) {
    nodes_.set(index(n), at, static_cast<std::uint8_t>(phase));
  }
  void set_arrival(std::size_t tenant, Time at) {
    dispatcher_.set(1 + tenant, at, static_cast<std::uint8_t>(Phase::arrival));
  }
  void set_offer(Time at) {
    dispatcher_.set(kOfferSlot, at, static_cast<std::uint8_t>(Phase::offer));
  }

  [[nodiscard]] Event first() const {
    if (nodes_.precedes(dispatcher_)) {
      return {nodes_.first_time(), static_cast<Phase>(nodes_.first_phase()), Source::node,
              nodes_.first()};
    }
    const std::size_t slot = dispatcher_.first();
    const bool offer = slot == kOfferSlot;
    return {dispatcher_.first_time(), static_cast<Phase>(dispatcher_.first_phase()),
            offer ? Source::ready_queue : Source::tenant, offer ? 0 : slot - 1};
  }

 private:
  static constexpr std::size_t kOfferSlot = 0;
  // Two trees, because every request arrives, and in the tree of the nodes its arrival would climb
  // all levels.
  WinnerTree nodes_, dispatcher_;
};

}  // namespace yardmaster
