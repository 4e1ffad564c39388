#include "results/comparison.h"

#include <algorithm>
#include <limits>

#include "env/base/check.h"

namespace yardmaster {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Values [metric][seed] of one policy, with the names of the metrics.
struct Columns {
  std::vector<NamedMetric> names;
  std::vector<std::vector<double>> values;
};

Columns columns_of(const PolicyRuns& policy) {
  Columns c;
  for (const Metrics& run : policy.runs) {
    c.names = named_metrics(run);
    c.values.resize(c.names.size());
    for (std::size_t i = 0; i < c.names.size(); ++i) {
      c.values[i].push_back(c.names[i].value);
    }
  }
  return c;
}

double mean_objective(const PolicyRuns& policy) {
  std::vector<double> values;
  for (const Metrics& run : policy.runs) {
    values.push_back(run.objective_s);
  }
  return mean(values);
}

// Indices of the policies, best first. A mean that is NaN comes last.
std::vector<std::size_t> by_objective(const std::vector<PolicyRuns>& policies) {
  std::vector<double> means;
  std::vector<std::size_t> order;
  for (std::size_t p = 0; p < policies.size(); ++p) {
    const double m = mean_objective(policies[p]);
    means.push_back(m == m ? m : std::numeric_limits<double>::infinity());
    order.push_back(p);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return means[a] < means[b]; });
  return order;
}

}  // namespace

const ComparisonRow& Comparison::row(const std::string& policy, const std::string& metric) const {
  const auto at = std::find_if(rows.begin(), rows.end(), [&](const ComparisonRow& r) {
    return r.policy == policy && r.metric == metric;
  });
  check(at != rows.end(), "a comparison has no such row");
  return *at;
}

Comparison compare(const std::vector<PolicyRuns>& policies) {
  check(!policies.empty(), "nothing to compare");
  const std::vector<std::size_t> order = by_objective(policies);
  const auto best_at =
      std::find_if(order.begin(), order.end(), [&](std::size_t p) { return policies[p].baseline; });
  const std::size_t best = best_at != order.end() ? *best_at : order.front();
  Comparison result;
  for (const std::size_t p : order) {
    result.ranking.push_back(policies[p].policy);
  }
  result.best_baseline = policies[best].policy;

  const Columns reference = columns_of(policies[best]);
  const Bootstrap bootstrap(policies[best].runs.size());
  std::vector<double> p_values;
  for (std::size_t p = 0; p < policies.size(); ++p) {
    check(policies[p].runs.size() == policies[best].runs.size(), "policies ran on different seeds");
    const Columns own = columns_of(policies[p]);
    for (std::size_t i = 0; i < own.names.size(); ++i) {
      ComparisonRow row{policies[p].policy, own.names[i].name,
                        own.names[i].unit,  bootstrap.mean(own.values[i]),
                        {kNan, kNan, kNan}, kNan};
      if (p != best) {
        row.difference = bootstrap.paired_difference(own.values[i], reference.values[i]);
      }
      if (row.metric == kRankingMetric) {
        p_values.push_back(p == best ? kNan : paired_p_value(own.values[i], reference.values[i]));
      }
      result.rows.push_back(std::move(row));
    }
  }
  const std::vector<double> adjusted = holm(p_values);
  auto next = adjusted.begin();
  for (ComparisonRow& row : result.rows) {
    if (row.metric == kRankingMetric) {
      row.p_value = *next++;
    }
  }
  return result;
}

}  // namespace yardmaster
