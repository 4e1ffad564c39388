// Drives env/node's Node by the scripts of SlowNode, as the simulation does or less regularly, and
// collects the same facts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "env/node/node.h"
#include "tests/reference/slow_node.h"

namespace yardmaster::reference {

/// How the node is caught up between external events. None of this may change a fact.
struct Driving {
  bool eager =
      true;  // at every next_output and next_plan, as the simulation does; else only at events
  int extra_cuts = 0;       // between two events, at random instants
  bool copies = false;      // go on with a copy now and then
  bool reuse_slots = true;  // a request that ended gives its slot to the next one
  std::uint64_t seed = 1;
  bool recorded = false;  // with a recorder, for which the node ends a segment at every change
};

/// The shared prefixes of the requests of a script.
PromptPaths paths_of(const std::vector<ScriptEvent>& script);

/// The fast node behind the interface of SlowNode.
class FastNode : private FactSink {
 public:
  /// `paths`: shared prefixes of the script's requests, by id.
  FastNode(const NodeSettings& settings, Driving driving, PromptPaths paths = {})
      : settings_(settings),
        paths_(std::move(paths)),
        driving_(driving),
        random_(driving.seed),
        node_(node_id(0), settings_.rules, settings_.grant) {
    tables_.facts.listen(this);
  }
  FastNode(const FastNode&) = delete;
  FastNode& operator=(const FastNode&) = delete;

  /// Runs to the event's instant and applies the event.
  void apply(const ScriptEvent& event);
  /// Runs until nothing more happens.
  void drain();

  [[nodiscard]] const std::map<RequestId, RequestFacts>& facts() const { return facts_; }
  [[nodiscard]] const std::map<RequestId, Request>& records() const { return records_; }
  [[nodiscard]] Duration response_latency() const { return settings_.rules.response_latency; }
  [[nodiscard]] const NodeCounters& counters() const { return node_.counters; }
  /// Contents of a report taken at `at`, not before the present.
  [[nodiscard]] NodeLoad load(Time at) {
    run_until(at);
    return ref().load(at);
  }
  /// The counters as of `at`, not before the present.
  [[nodiscard]] NodeCounters counters_at(Time at) {
    run_until(at);
    return ref().counters_at(at);
  }
  [[nodiscard]] std::uint64_t digest() const { return tables_.facts.digest.value(); }
  [[nodiscard]] const std::vector<Time>& output_times() const { return output_times_; }

 private:
  NodeRef ref() {
    tables_.recorder = driving_.recorded ? &recorder_ : nullptr;
    tables_.paths = &paths_;
    return {node_, settings_.rules, settings_.costs, settings_.grant, tables_};
  }
  void on_fact(Fact fact, const TaskAddress& at, NodeId, Time when) override;
  void run_until(Time t);
  void run_events(Time t, bool inclusive_outputs);
  void cut(Time before);
  void collect(Time now);
  void deliver(const ScriptEvent& event);
  void cancel(const ScriptEvent& event);
  void crash(Time now);
  void take_record(TaskSlot slot, End end, Time when);
  TaskSlot take_slot();
  RequestId id_of(TaskSlot slot) const {
    return tables_.requests[index(slot)].spec.address.workflow;
  }

  NodeSettings settings_;
  PromptPaths paths_;
  Driving driving_;
  std::mt19937_64 random_;
  Node node_;
  NodeTables tables_;
  std::vector<TaskSlot> free_slots_;
  std::map<RequestId, TaskSlot> slot_of_;  // of those not seen to have ended
  NodeRecorder recorder_;
  Time now_{0};
  std::map<RequestId, RequestFacts> facts_;
  std::map<RequestId, Request> records_;  // as they stood when they ended
  std::vector<NodeOutput> outputs_;
  std::vector<Time> output_times_;
};

}  // namespace yardmaster::reference
