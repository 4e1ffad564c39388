// The one place that names every policy. A new one is its file and two lines here.
#include <algorithm>
#include <array>

#include "env/config/suggestion.h"
#include "policies/policy.h"

namespace yardmaster {

// Each is defined in the file of its name, under dispatch/ or ordering/.
std::unique_ptr<DispatchPolicy> make_random(Knobs&);
std::unique_ptr<DispatchPolicy> make_round_robin(Knobs&);
std::unique_ptr<DispatchPolicy> make_join_shortest_queue(Knobs&);
std::unique_ptr<DispatchPolicy> make_power_of_two(Knobs&);
std::unique_ptr<DispatchPolicy> make_least_kv_use(Knobs&);
std::unique_ptr<DispatchPolicy> make_shortest_expected_delay(Knobs&);
std::unique_ptr<DispatchPolicy> make_earliest_finish(Knobs&);
std::unique_ptr<DispatchPolicy> make_marginal_cost(Knobs&);
std::unique_ptr<DispatchPolicy> make_cache_aware(Knobs&);
std::unique_ptr<OrderingPolicy> make_first_come_first_served(Knobs&);
std::unique_ptr<OrderingPolicy> make_shortest_predicted_job(Knobs&);

namespace {

constexpr std::array kDispatch = {
    DispatchEntry{"random", "any node, with equal chances", make_random},
    DispatchEntry{"round_robin", "the next node in turn", make_round_robin},
    DispatchEntry{"join_shortest_queue", "fewest requests in flight", make_join_shortest_queue},
    DispatchEntry{"power_of_two", "fewer requests in flight of two nodes drawn", make_power_of_two},
    DispatchEntry{"least_kv_use", "smallest share of KV memory in use, as reported",
                  make_least_kv_use},
    DispatchEntry{"shortest_expected_delay", "requests in flight over the node's service rate",
                  make_shortest_expected_delay},
    DispatchEntry{"earliest_finish", "earliest predicted end of the task itself",
                  make_earliest_finish},
    DispatchEntry{"marginal_cost", "predicted end plus the delay to the others on the node",
                  make_marginal_cost},
    DispatchEntry{"cache_aware", "longest prefix in its cache, as far as the dispatcher knows",
                  make_cache_aware},
};

constexpr std::array kOrdering = {
    OrderingEntry{"first_come_first_served", "earliest arrival", make_first_come_first_served},
    OrderingEntry{"shortest_predicted_job", "least predicted work in tokens",
                  make_shortest_predicted_job},
};

template <typename Entry>
const Entry* find(std::span<const Entry> table, std::string_view name) {
  const auto at =
      std::find_if(table.begin(), table.end(), [&](const Entry& e) { return e.name == name; });
  return at == table.end() ? nullptr : &*at;
}

/// The policy of a text. Throws PolicyFault if a name is unknown or a value not allowed.
template <typename Entry>
auto make(std::span<const Entry> table, std::string_view what, std::string_view text) {
  Knobs knobs(text);
  const Entry* const entry = find(table, knobs.policy());
  if (entry == nullptr) {
    std::vector<std::string> known;
    for (const Entry& e : table) {
      known.emplace_back(e.name);
    }
    throw PolicyFault("unknown " + std::string(what) + " \"" + knobs.policy() + "\"" +
                      yaml::did_you_mean(knobs.policy(), known));
  }
  auto policy = entry->make(knobs);
  knobs.finish();
  return policy;
}

template <typename Table>
consteval bool names_differ(const Table& table) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (table[i].name == table[j].name) {
        return false;
      }
    }
  }
  return true;
}
static_assert(names_differ(kDispatch) && names_differ(kOrdering));

}  // namespace

std::span<const DispatchEntry> dispatch_table() { return kDispatch; }
std::span<const OrderingEntry> ordering_table() { return kOrdering; }

bool names_dispatch_rule(std::string_view text) {
  return find(dispatch_table(), text.substr(0, text.find(':'))) != nullptr;
}

std::unique_ptr<DispatchPolicy> make_dispatch(std::string_view text) {
  return make(dispatch_table(), "dispatch rule", text);
}

std::unique_ptr<OrderingPolicy> make_ordering(std::string_view text) {
  return make(ordering_table(), "ordering", text);
}

}  // namespace yardmaster
