// The dispatcher's own books: what it sent where, and what has come back. Exact, and its own.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"

namespace yardmaster {

/// What the books need to know of a task.
struct LedgerEntry {
  std::int32_t prompt_tokens = 0, predicted_tokens = 0;
  Time first_token = Time::never();  // of this attempt, as seen
};

/// Columns over nodes, as FleetView shows them. A value; written by the simulation.
struct Ledger {
  std::vector<std::int32_t> in_flight, awaiting_first;  // [node]
  std::vector<std::int64_t> awaiting_tokens, prompt_tokens, predicted_tokens,
      first_token_us;                                    // [node]
  std::vector<std::int64_t> sent_total, returned_total;  // [node] since the start
  NodeId last_sent = kNoNode;

  Ledger() = default;
  explicit Ledger(std::size_t nodes)
      : in_flight(nodes),
        awaiting_first(nodes),
        awaiting_tokens(nodes),
        prompt_tokens(nodes),
        predicted_tokens(nodes),
        first_token_us(nodes),
        sent_total(nodes),
        returned_total(nodes) {}

  /// A task goes to node `n`.
  void sent(NodeId n, const LedgerEntry& entry) {
    const std::size_t i = index(n);
    ++in_flight[i];
    ++awaiting_first[i];
    awaiting_tokens[i] += entry.prompt_tokens;
    ++sent_total[i];
    last_sent = n;
  }
  /// Its first token passes by; `entry.first_token` is the present.
  void first_token(NodeId n, const LedgerEntry& entry) {
    const std::size_t i = index(n);
    --awaiting_first[i];
    awaiting_tokens[i] -= entry.prompt_tokens;
    prompt_tokens[i] += entry.prompt_tokens;
    predicted_tokens[i] += entry.predicted_tokens;
    first_token_us[i] += entry.first_token.ps / kPsPerMicrosecond;
  }
  /// It has ended, failed or been abandoned.
  void returned(NodeId n, const LedgerEntry& entry) {
    const std::size_t i = index(n);
    --in_flight[i];
    ++returned_total[i];
    if (entry.first_token.is_never()) {
      --awaiting_first[i];
      awaiting_tokens[i] -= entry.prompt_tokens;
    } else {
      prompt_tokens[i] -= entry.prompt_tokens;
      predicted_tokens[i] -= entry.predicted_tokens;
      first_token_us[i] -= entry.first_token.ps / kPsPerMicrosecond;
    }
  }
};

}  // namespace yardmaster
