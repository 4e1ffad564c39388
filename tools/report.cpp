#include "tools/report.h"

#include <fmt/format.h>

#include <cmath>

#include "tools/table.h"

namespace yardmaster {
namespace {

std::string trace_text(const Workload& workload) {
  if (workload.trace.empty()) {
    return "";
  }
  return fmt::format(
      "trace    {}: {} requests, {:.4g} simulated seconds per second of the trace, "
      "{} window{} of {:.6g} s\n",
      workload.trace_path, count_text(workload.trace.size()), workload.time_scale, workload.windows,
      workload.windows == 1 ? "" : "s", workload.window.seconds());
}

std::string requests_text(const Metrics& m) {
  const RunCounts& c = m.counts;
  std::string out =
      fmt::format("requests {} arrived, {} finished, {} unfinished; {} counted in a window of {}\n",
                  count_text(c.arrived), count_text(c.finished), count_text(m.unfinished),
                  count_text(m.counted), seconds_text(m.window_s));
  out += fmt::format(
      "refused  {} too long for every node, {} rejected by the policy; {} cancelled\n",
      count_text(c.rejected_too_long), count_text(c.rejected_by_policy), count_text(c.cancelled));
  out += fmt::format("outages  {} node failures, {} retried tasks; {} preemptions\n",
                     count_text(c.failures), count_text(c.retried), count_text(m.preemptions));
  return out;
}

// The value that ranks, or why there is none.
std::string objective_text(const Metrics& m) {
  if (!std::isnan(m.objective_s)) {
    return fmt::format("objective {} s per counted task\n", number_text(m.objective_s));
  }
  if (m.counted == 0) {
    return "objective - (no task was counted)\n";
  }
  return fmt::format(
      "objective - ({} counted tasks were refused, and objective.reject_penalty sets no cost for "
      "that)\n",
      count_text(m.counted - m.e2e.count));
}

std::string slo_text(const Metrics& m) {
  return std::isnan(m.goodput_per_s)
             ? "SLO      - (no tenant has one)\n"
             : fmt::format("SLO      {} attained, goodput {} requests/s\n",
                           percent_text(m.slo_attainment), number_text(m.goodput_per_s));
}

std::string latency_text(const Metrics& m) {
  TextTable table({"", "mean", "p50", "p90", "p99"});
  const auto add = [&](const char* name, const Summary& s, auto text) {
    table.add({name, text(s.mean), text(s.p50), text(s.p90), text(s.p99)});
  };
  add("TTFT", m.ttft, seconds_text);
  add("TPOT", m.tpot, seconds_text);
  add("E2E", m.e2e, seconds_text);
  add("queue time", m.queue_time, seconds_text);
  add("slowdown", m.slowdown, number_text);
  return table.text();
}

std::string moments_text(const Metrics& m) {
  TextTable table({"where the time goes", "mean", "share", "slowest 1 %", "share"});
  const auto share = [](double part, double whole) { return percent_text(part / whole); };
  for (std::size_t i = 0; i < kMomentCount; ++i) {
    if (m.moment_mean_s[i] > 0) {
      table.add({kMomentNames[i], seconds_text(m.moment_mean_s[i]),
                 share(m.moment_mean_s[i], m.e2e.mean), seconds_text(m.moment_tail_s[i]),
                 share(m.moment_tail_s[i], m.tail_e2e_s)});
    }
  }
  table.add({"total", seconds_text(m.e2e.mean), "", seconds_text(m.tail_e2e_s), ""});
  return table.text();
}

}  // namespace

std::string scenario_text(const Scenario& scenario) {
  std::string kinds;
  for (const NodeKind& kind : scenario.kinds) {
    kinds += fmt::format(
        "{}{} x {} ({}{}, {}, {:.3g}/s each)", kinds.empty() ? "" : "; ", kind.count, kind.name,
        kind.tensor_parallel > 1 ? std::to_string(kind.tensor_parallel) + " x " : std::string(),
        kind.gpu.name, kind.model.name, kind.capacity_per_s);
  }
  return fmt::format(
             "{}\nfleet    {}\ncapacity {:.4g} requests/s, load {:.3g} of it: {:.4g} requests/s\n",
             scenario.name, kinds, scenario.capacity_per_s,
             scenario.workload.rate_per_s / scenario.capacity_per_s, scenario.workload.rate_per_s) +
         trace_text(scenario.workload);
}

nlohmann::ordered_json scenario_json(const Scenario& scenario) {
  const Workload& workload = scenario.workload;
  nlohmann::ordered_json json = {{"name", scenario.name},
                                 {"path", scenario.path},
                                 {"nodes", scenario.nodes()},
                                 {"capacity_per_s", scenario.capacity_per_s},
                                 {"rate_per_s", workload.rate_per_s},
                                 {"load", workload.rate_per_s / scenario.capacity_per_s},
                                 {"ordering", scenario.dispatch.ordering}};
  for (const NodeKind& kind : scenario.kinds) {
    json["kinds"].push_back({{"name", kind.name},
                             {"count", kind.count},
                             {"gpu", kind.gpu.name},
                             {"model", kind.model.name},
                             {"engine", kind.engine.name},
                             {"tensor_parallel", kind.tensor_parallel},
                             {"capacity_per_s", kind.capacity_per_s}});
  }
  if (!workload.trace.empty()) {
    json["trace"] = {{"path", workload.trace_path},
                     {"requests", workload.trace.size()},
                     {"time_scale", workload.time_scale},
                     {"windows", workload.windows},
                     {"window_s", workload.window.seconds()}};
  }
  return json;
}

std::string metrics_text(const Scenario& scenario, const Metrics& m) {
  std::string out = requests_text(m) + "\n" + latency_text(m) + "\n";
  out += objective_text(m);
  out += fmt::format("rates    {} requests/s, {} prompt tokens/s, {} output tokens/s\n",
                     number_text(m.requests_per_s), number_text(m.prompt_tokens_per_s),
                     number_text(m.output_tokens_per_s));
  out += slo_text(m);
  out += fmt::format("usage    busy {}, compute {}, KV memory {}, bandwidth {}\n",
                     percent_text(m.busy), percent_text(m.compute_utilisation),
                     percent_text(m.memory_utilisation), percent_text(m.bandwidth_utilisation));
  out += fmt::format("fairness {:.3f} (Jain's index over {})\n\n", m.fairness,
                     scenario.workload.tenants.size() > 1 ? "the tenants' mean slowdown"
                                                          : "the nodes' compute utilisation");
  out += moments_text(m) + "\n";
  out += fmt::format("work     {:.2f} events, {:.2f} segments, {:.2f} decisions per request\n",
                     m.events_per_request, m.segments_per_request, m.decisions_per_request);
  return out;
}

nlohmann::ordered_json metrics_json(const Metrics& m) {
  nlohmann::ordered_json json;
  for (const NamedMetric& metric : named_metrics(m)) {
    const bool whole = metric.unit == "count" && metric.value == std::floor(metric.value);
    if (whole) {
      json[metric.name] = static_cast<std::int64_t>(metric.value);
    } else {
      json[metric.name] = metric.value;
    }
  }
  return json;
}

}  // namespace yardmaster
