#include "env/view/ledger.h"

namespace yardmaster {

Ledger::Ledger(std::size_t nodes)
    : in_flight(nodes),
      awaiting_first(nodes),
      awaiting_tokens(nodes),
      prompt_tokens(nodes),
      predicted_tokens(nodes),
      first_token_us(nodes),
      sent_total(nodes),
      returned_total(nodes) {}

void Ledger::sent(NodeId n, const LedgerEntry& entry) {
  const std::size_t i = index(n);
  ++in_flight[i];
  ++awaiting_first[i];
  awaiting_tokens[i] += entry.prompt_tokens;
  ++sent_total[i];
  last_sent = n;
}

void Ledger::first_token(NodeId n, const LedgerEntry& entry) {
  const std::size_t i = index(n);
  --awaiting_first[i];
  awaiting_tokens[i] -= entry.prompt_tokens;
  prompt_tokens[i] += entry.prompt_tokens;
  predicted_tokens[i] += entry.predicted_tokens;
  first_token_us[i] += entry.first_token.ps / kPsPerMicrosecond;
}

void Ledger::returned(NodeId n, const LedgerEntry& entry) {
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

}  // namespace yardmaster
