#include "env/simulation/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace yardmaster {
namespace {

constexpr float kSecondsPerPs = 1e-12F;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

bool has_slo(const Tenant& tenant) {
  const Slo& slo = tenant.slo;
  return slo.ttft > Duration::zero() || slo.e2e > Duration::zero() || slo.tpot > Duration::zero();
}

// Compared as integers: (e2e - ttft) / (n - 1) <= slo.tpot without the division.
bool meets(const Slo& slo, Duration ttft, Duration e2e, std::int32_t output_tokens) {
  const auto within = [](Duration value, Duration limit) {
    return limit == Duration::zero() || value <= limit;
  };
  return within(ttft, slo.ttft) && within(e2e, slo.e2e) &&
         (slo.tpot == Duration::zero() || e2e - ttft <= slo.tpot * (output_tokens - 1));
}

double tpot_s(Duration ttft, Duration e2e, std::int32_t output_tokens) {
  return output_tokens > 1 ? (e2e - ttft).seconds() / (output_tokens - 1) : kNan;
}

// Seconds of one request in an idle engine.
double idle_engine_s(const NodeSettings& settings, std::int32_t prompt_tokens,
                     std::int32_t output_tokens, std::int32_t shared_tokens) {
  const StepCost& cost = settings.cost(0);
  Duration total{};
  const std::int32_t cached =
      settings.rules.enable_prefix_caching
          ? std::min(shared_tokens, (prompt_tokens - 1) / kBlockTokens * kBlockTokens)
          : 0;
  for (std::int32_t before = cached; before < prompt_tokens;) {
    const std::int32_t chunk =
        std::min(prompt_tokens - before, settings.rules.max_num_batched_tokens);
    MixedStep step;
    step.chunks = 1;
    step.chunk_tokens = chunk;
    step.chunk_pairs = (2 * std::int64_t{before} + chunk) * chunk;
    before += chunk;
    step.sampled = before == prompt_tokens ? 1 : 0;
    total += cost.mixed(step);
  }
  total += cost.decode_total(1, prompt_tokens, output_tokens - 1);
  return (total + settings.rules.response_latency).seconds();
}

double per(double amount, double of) { return of > 0 ? amount / of : 0.0; }

}  // namespace

double jain_index(std::span<const double> values) {
  double sum = 0, squares = 0;
  for (const double x : values) {
    sum += x;
    squares += x * x;
  }
  return squares > 0 ? sum * sum / (static_cast<double>(values.size()) * squares) : 1.0;
}

double isolated_latency_s(const Scenario& scenario, std::int32_t prompt_tokens,
                          std::int32_t output_tokens, std::int32_t shared_tokens) {
  double best = kNan;
  for (const NodeKind& kind : scenario.kinds) {
    if (prompt_tokens + output_tokens <= kind.settings.rules.max_model_len) {
      const double seconds =
          idle_engine_s(kind.settings, prompt_tokens, output_tokens, shared_tokens);
      best = std::isnan(best) ? seconds : std::min(best, seconds);
    }
  }
  return best + (scenario.network.frontend + scenario.network.latency).seconds();
}

MetricsCollector::MetricsCollector(const Scenario& scenario) : scenario_(&scenario) {
  // Room for the tasks that the scenario will submit, within reason, because growing copies
  // everything. The beginning is touched now, so that the time of a short run has no page faults of
  // this vector in it.
  constexpr double kMost = 1 << 24;
  constexpr std::size_t kTouched = 1 << 15;
  const double expected = scenario.workload.rate_per_s * scenario.duration.seconds();
  finished_.reserve(static_cast<std::size_t>(std::min(1.05 * expected + 64, kMost)));
  finished_.resize(std::min(kTouched, finished_.capacity()));
  finished_.clear();
}

void MetricsCollector::on_task(const TaskRow& row) {
  last_arrival_ = std::max(last_arrival_, row.arrival);
  const bool counted = row.arrival >= Time{scenario_->warm_up.ps};
  const Tenant& tenant = scenario_->workload.tenants[row.address.tenant];
  preemptions_ += row.preemptions;
  if (counted) {
    count(row, tenant);
  }
  if (row.outcome != Outcome::finished) {
    return;
  }
  Record r;
  r.e2e = row.last_token - row.arrival;
  r.ttft = row.first_token - row.arrival;
  r.queue_time = row.first_scheduled - row.arrival;
  r.last_token = row.last_token;
  r.prompt_tokens = row.prompt_tokens;
  r.output_tokens = row.output_tokens;
  r.shared_tokens = row.shared_tokens;
  r.tenant = row.address.tenant;
  r.counted = counted;
  r.met = meets(tenant.slo, r.ttft, r.e2e, r.output_tokens);
  for (std::size_t m = 0; m < kMomentCount; ++m) {
    r.moments_s[m] = static_cast<float>(row.moments[m].ps) * kSecondsPerPs;
  }
  finished_.push_back(r);
}

// Adds a counted task to the objective.
void MetricsCollector::count(const TaskRow& row, const Tenant& tenant) {
  const Objective& objective = scenario_->objective;
  ++counted_;
  weight_ += tenant.weight;
  if (row.outcome != Outcome::finished) {
    cost_ += tenant.weight * objective.reject_penalty.seconds();
    refused_for_nothing_ += objective.reject_penalty == Duration::zero() ? 1U : 0U;
    return;
  }
  const Duration e2e = row.last_token - row.arrival;
  const bool late = tenant.slo.e2e > Duration::zero() && e2e > tenant.slo.e2e;
  const double late_s = late ? (e2e - tenant.slo.e2e).seconds() : 0;
  cost_ +=
      tenant.weight * (objective.latency_weight * e2e.seconds() + objective.slo_weight * late_s);
}

Metrics MetricsCollector::finish(const RunCounts& counts, std::uint64_t unfinished, Time end,
                                 const NodeSampler& sampler) const {
  Metrics m;
  m.window_s = std::max((last_arrival_ - Time{scenario_->warm_up.ps}).seconds(), 0.0);
  m.counted = counted_;
  m.preemptions = preemptions_;
  m.objective_s = weight_ > 0 && refused_for_nothing_ == 0 ? cost_ / weight_ : kNan;
  m.counts = counts;
  m.unfinished = unfinished;
  m.end_s = end.seconds();
  const auto arrived = static_cast<double>(m.counts.arrived);
  m.events_per_request = per(static_cast<double>(m.counts.events), arrived);
  m.segments_per_request = per(static_cast<double>(m.counts.segments), arrived);
  m.decisions_per_request = per(static_cast<double>(m.counts.decisions), arrived);
  add_distributions(m);
  add_moments(m);
  add_rates(m);
  add_slo(m);
  add_utilisation(m, sampler);
  return m;
}

void MetricsCollector::add_utilisation(Metrics& m, const NodeSampler& sampler) const {
  std::vector<double> compute;
  const std::vector<Utilisation> nodes = sampler.between({scenario_->warm_up.ps}, last_arrival_);
  for (const Utilisation& u : nodes) {
    compute.push_back(u.compute);
    m.busy += u.busy / static_cast<double>(nodes.size());
    m.compute_utilisation += u.compute / static_cast<double>(nodes.size());
    m.memory_utilisation += u.memory / static_cast<double>(nodes.size());
    m.bandwidth_utilisation += u.bandwidth / static_cast<double>(nodes.size());
  }
  m.fairness = scenario_->workload.tenants.size() > 1 ? tenant_fairness() : jain_index(compute);
}

void MetricsCollector::add_distributions(Metrics& m) const {
  std::vector<double> values;
  values.reserve(finished_.size());
  const auto summary = [&](auto value) {
    values.clear();
    for (const Record& r : finished_) {
      if (r.counted) {
        const double x = value(r);
        if (!std::isnan(x)) {
          values.push_back(x);
        }
      }
    }
    return summarise(values);
  };
  m.ttft = summary([](const Record& r) { return r.ttft.seconds(); });
  m.tpot = summary([](const Record& r) { return tpot_s(r.ttft, r.e2e, r.output_tokens); });
  m.e2e = summary([](const Record& r) { return r.e2e.seconds(); });
  m.queue_time = summary([](const Record& r) { return r.queue_time.seconds(); });
  m.slowdown = summary([&](const Record& r) { return slowdown(r); });
}

double MetricsCollector::slowdown(const Record& r) const {
  return r.e2e.seconds() /
         isolated_latency_s(*scenario_, r.prompt_tokens, r.output_tokens, r.shared_tokens);
}

void MetricsCollector::add_slo(Metrics& m) const {
  const std::vector<Tenant>& tenants = scenario_->workload.tenants;
  if (std::none_of(tenants.begin(), tenants.end(), has_slo)) {
    m.slo_attainment = m.goodput_per_s = kNan;
    return;
  }
  std::uint64_t met = 0;
  for (const Record& r : finished_) {
    met += r.counted && r.met ? 1U : 0U;
  }
  m.slo_attainment =
      m.counted > 0 ? static_cast<double>(met) / static_cast<double>(m.counted) : kNan;
}

void MetricsCollector::add_moments(Metrics& m) const {
  double all = 0, tail = 0;
  for (const Record& r : finished_) {
    if (!r.counted) {
      continue;
    }
    const bool in_tail = r.e2e.seconds() >= m.e2e.p99;
    all += 1;
    tail += in_tail ? 1 : 0;
    m.tail_e2e_s += in_tail ? r.e2e.seconds() : 0;
    for (std::size_t i = 0; i < kMomentCount; ++i) {
      const auto seconds = static_cast<double>(r.moments_s[i]);
      m.moment_mean_s[i] += seconds;
      m.moment_tail_s[i] += in_tail ? seconds : 0;
    }
  }
  for (std::size_t i = 0; i < kMomentCount; ++i) {
    m.moment_mean_s[i] = all > 0 ? m.moment_mean_s[i] / all : kNan;
    m.moment_tail_s[i] = tail > 0 ? m.moment_tail_s[i] / tail : kNan;
  }
  m.tail_e2e_s = tail > 0 ? m.tail_e2e_s / tail : kNan;
}

void MetricsCollector::add_rates(Metrics& m) const {
  double requests = 0, prompt_tokens = 0, output_tokens = 0, met = 0;
  for (const Record& r : finished_) {
    if (r.last_token >= Time{scenario_->warm_up.ps} && r.last_token <= last_arrival_) {
      requests += 1;
      prompt_tokens += r.prompt_tokens;
      output_tokens += r.output_tokens;
      met += r.met ? 1 : 0;
    }
  }
  m.requests_per_s = per(requests, m.window_s);
  m.prompt_tokens_per_s = per(prompt_tokens, m.window_s);
  m.output_tokens_per_s = per(output_tokens, m.window_s);
  m.goodput_per_s = per(met, m.window_s);
}

double MetricsCollector::tenant_fairness() const {
  std::vector<double> sums(scenario_->workload.tenants.size()), counts(sums.size()), means;
  for (const Record& r : finished_) {
    const double ratio = slowdown(r);
    if (r.counted && !std::isnan(ratio)) {
      sums[r.tenant] += ratio;
      counts[r.tenant] += 1;
    }
  }
  for (std::size_t t = 0; t < sums.size(); ++t) {
    if (counts[t] > 0) {
      means.push_back(sums[t] / counts[t]);
    }
  }
  return jain_index(means);
}

namespace {

void append(std::vector<NamedMetric>& out, const std::string& name, const Summary& s,
            const char* unit) {
  out.push_back({name + "_mean", s.mean, unit});
  out.push_back({name + "_p50", s.p50, unit});
  out.push_back({name + "_p90", s.p90, unit});
  out.push_back({name + "_p99", s.p99, unit});
}

void append_work(std::vector<NamedMetric>& out, const Metrics& m) {
  const auto count = [](std::uint64_t n) { return static_cast<double>(n); };
  const RunCounts& c = m.counts;
  out.insert(out.end(), {{"arrived", count(c.arrived), "count"},
                         {"sent", count(c.sent), "count"},
                         {"finished", count(c.finished), "count"},
                         {"rejected_too_long", count(c.rejected_too_long), "count"},
                         {"rejected_by_policy", count(c.rejected_by_policy), "count"},
                         {"cancelled", count(c.cancelled), "count"},
                         {"unfinished", count(m.unfinished), "count"},
                         {"retried", count(c.retried), "count"},
                         {"failures", count(c.failures), "count"},
                         {"preemptions", count(m.preemptions), "count"},
                         {"events", count(c.events), "count"},
                         {"segments", count(c.segments), "count"},
                         {"decisions", count(c.decisions), "count"},
                         {"events_per_request", m.events_per_request, "count"},
                         {"segments_per_request", m.segments_per_request, "count"},
                         {"decisions_per_request", m.decisions_per_request, "count"},
                         {"end_s", m.end_s, "s"}});
}

}  // namespace

std::vector<NamedMetric> named_metrics(const Metrics& m) {
  std::vector<NamedMetric> out;
  out.push_back({"objective_s", m.objective_s, "s"});
  append(out, "ttft_s", m.ttft, "s");
  append(out, "tpot_s", m.tpot, "s");
  append(out, "e2e_s", m.e2e, "s");
  append(out, "queue_time_s", m.queue_time, "s");
  append(out, "slowdown", m.slowdown, "ratio");
  out.insert(out.end(), {{"requests_per_s", m.requests_per_s, "1/s"},
                         {"prompt_tokens_per_s", m.prompt_tokens_per_s, "tokens/s"},
                         {"output_tokens_per_s", m.output_tokens_per_s, "tokens/s"},
                         {"goodput_per_s", m.goodput_per_s, "1/s"},
                         {"slo_attainment", m.slo_attainment, "share"},
                         {"busy", m.busy, "share"},
                         {"compute_utilisation", m.compute_utilisation, "share"},
                         {"memory_utilisation", m.memory_utilisation, "share"},
                         {"bandwidth_utilisation", m.bandwidth_utilisation, "share"},
                         {"fairness", m.fairness, "share"},
                         {"window_s", m.window_s, "s"},
                         {"counted", static_cast<double>(m.counted), "count"},
                         {"counted_finished", static_cast<double>(m.e2e.count), "count"}});
  append_work(out, m);
  for (std::size_t i = 0; i < kMomentCount; ++i) {
    out.push_back({std::string(kMomentNames[i]) + "_s_mean", m.moment_mean_s[i], "s"});
  }
  for (std::size_t i = 0; i < kMomentCount; ++i) {
    out.push_back({std::string(kMomentNames[i]) + "_s_tail", m.moment_tail_s[i], "s"});
  }
  out.push_back({"e2e_s_tail", m.tail_e2e_s, "s"});
  return out;
}

}  // namespace yardmaster
