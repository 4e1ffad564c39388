#include "env/rl/observation.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "env/base/check.h"
#include "env/rl/usage_error.h"

namespace yardmaster {
namespace {

// Sum that does not depend on the order of its terms: multiples of 2^-20, in 64 bits.
class ExactSum {
 public:
  void add(double x) { sum_ += static_cast<std::int64_t>(std::clamp(x, 0.0, 1e6) * kUnit); }
  [[nodiscard]] double value() const { return static_cast<double>(sum_) / kUnit; }

 private:
  static constexpr double kUnit = 1 << 20;
  std::int64_t sum_ = 0;
};

NodeEstimates estimates_of(std::size_t n, const TaskView& task, const FleetView& fleet) {
  const Estimates& model = *fleet.estimates;
  const NodeId node = node_id(n);
  NodeEstimates e;
  e.load = model.load(node, fleet);
  e.predicted = model.predict(node, task, fleet);
  e.work_ahead_s = model.work_ahead(node, fleet);
  e.queue_over_rate_s = (fleet.in_flight[n] + 1) / std::max(model.service_rate(node), 1e-9);
  e.scores = {static_cast<float>(e.predicted.finish_s()),
              static_cast<float>(e.predicted.finish_s() + e.predicted.delay_to_others_s),
              static_cast<float>(e.queue_over_rate_s)};
  return e;
}

// Of each score, the least among the legal nodes; infinity when there is none.
RuleScores best_scores(std::span<const NodeEstimates> nodes, std::span<const std::uint8_t> legal) {
  constexpr float kNone = std::numeric_limits<float>::infinity();
  RuleScores best{kNone, kNone, kNone};
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (legal[n] != 0) {
      const RuleScores& s = nodes[n].scores;
      best.finish = std::min(best.finish, s.finish);
      best.marginal_cost = std::min(best.marginal_cost, s.marginal_cost);
      best.queue_over_rate = std::min(best.queue_over_rate, s.queue_over_rate);
    }
  }
  return best;
}

FleetFacts facts_of(const FleetView& fleet, std::span<const NodeEstimates> nodes,
                    std::span<const std::uint8_t> legal) {
  FleetFacts facts{.fleet = fleet};
  ExactSum rate, kv, work;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    facts.in_flight += fleet.in_flight[n];
    facts.awaiting_first += fleet.awaiting_first[n];
    facts.waiting += fleet.waiting[n];
    facts.up += fleet.up[n] != 0 ? 1 : 0;
    facts.legal += legal[n] != 0 ? 1 : 0;
    if (fleet.up[n] != 0) {
      rate.add(fleet.estimates->service_rate(node_id(n)));
    }
    const auto kv_use = static_cast<double>(fleet.kv_use[n]);
    kv.add(kv_use);
    work.add(nodes[n].work_ahead_s);
    facts.max_kv_use = std::max(facts.max_kv_use, kv_use);
    facts.max_work_ahead_s = std::max(facts.max_work_ahead_s, nodes[n].work_ahead_s);
  }
  facts.rate_per_s = rate.value();
  facts.kv_use = kv.value();
  facts.work_ahead_s = work.value();
  return facts;
}

template <class Facts>
std::vector<Feature> all_columns(std::span<const Block<Facts>> blocks) {
  std::vector<Feature> columns;
  for (const Block<Facts>& block : blocks) {
    columns.insert(columns.end(), block.columns.begin(), block.columns.end());
  }
  return columns;
}

template <class Facts>
void write_all(std::span<const Block<Facts>> blocks, const Facts& facts, std::span<float> out) {
  for (const Block<Facts>& block : blocks) {
    block.write(facts, out.first(block.columns.size()));
    out = out.subspan(block.columns.size());
  }
}

std::vector<std::string> names_of(std::span<const Feature> columns) {
  std::vector<std::string> names;
  for (const Feature& column : columns) {
    names.emplace_back(column.name);
  }
  return names;
}

}  // namespace

template <class Facts>
ObservationSpec::Row<Facts> ObservationSpec::select(std::span<const Block<Facts>> blocks,
                                                    const std::vector<std::string>& names,
                                                    const char* kind) {
  const std::vector<Feature> known = all_columns(blocks);
  Row<Facts> row;
  for (const std::string& name : names) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const Feature& column) {
      return std::string_view(column.name) == name;
    });
    const auto place = static_cast<std::size_t>(found - known.begin());
    if (found == known.end()) {
      throw UsageError("\"" + name + "\" is not a column of the " + kind +
                       " row of an observation");
    }
    if (std::find(row.from.begin(), row.from.end(), place) != row.from.end()) {
      throw UsageError("the column \"" + name + "\" of the " + kind + " row is given twice");
    }
    row.all = row.all && place == row.from.size();
    row.features.push_back(*found);
    row.from.push_back(place);
  }
  row.all = row.all && row.from.size() == known.size();
  return row;
}

template <class Facts>
void ObservationSpec::Row<Facts>::write(std::span<const Block<Facts>> blocks, const Facts& facts,
                                        std::span<float> out, std::vector<float>& whole) const {
  if (all) {
    write_all(blocks, facts, out);
    return;
  }
  std::size_t width = 0;
  for (const Block<Facts>& block : blocks) {
    width += block.columns.size();
  }
  whole.resize(width);
  write_all(blocks, facts, std::span(whole));
  for (std::size_t i = 0; i < from.size(); ++i) {
    out[i] = whole[from[i]];
  }
}

ObservationSpec ObservationSpec::dispatch() {
  return of({names_of(all_columns(node_blocks())), names_of(all_columns(task_blocks())),
             names_of(all_columns(fleet_blocks()))});
}

ObservationSpec ObservationSpec::of(const ColumnNames& names) {
  ObservationSpec spec;
  spec.rows_ = {select(node_blocks(), names.node, "node"),
                select(task_blocks(), names.task, "task"),
                select(fleet_blocks(), names.fleet, "fleet")};
  return spec;
}

ColumnNames ObservationSpec::names() const {
  return {names_of(node_columns()), names_of(task_columns()), names_of(fleet_columns())};
}

void ObservationSpec::write(const TaskView& task, const FleetView& fleet,
                            std::span<const std::uint8_t> legal, ObservationRows rows,
                            ObservationScratch& scratch) const {
  const std::size_t nodes = fleet.nodes();
  check(rows.node.size() == nodes * node_width() && rows.task.size() == task_width() &&
            rows.fleet.size() == fleet_width(),
        "the rows of an observation have the wrong sizes");
  check(legal.size() >= nodes, "the mask is shorter than the fleet");
  scratch.estimates.resize(nodes);
  for (std::size_t n = 0; n < nodes; ++n) {
    scratch.estimates[n] = estimates_of(n, task, fleet);
  }
  const RuleScores best = best_scores(scratch.estimates, legal);
  for (std::size_t n = 0; n < nodes; ++n) {
    rows_.node.write(node_blocks(), {task, fleet, scratch.estimates[n], best, n, legal[n] != 0},
                     rows.node.subspan(n * node_width(), node_width()), scratch.row);
  }
  rows_.task.write(task_blocks(), {task, fleet}, rows.task, scratch.row);
  rows_.fleet.write(fleet_blocks(), facts_of(fleet, scratch.estimates, legal), rows.fleet,
                    scratch.row);
}

}  // namespace yardmaster
