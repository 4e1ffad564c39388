// Arrivals by a change of clock. A process of constant rate runs on an operational clock, which
// advances at the rate
//
//   factor(t) = profile(t) * state(t), with mean 1
//
// in simulated time. A gap is drawn on the operational clock and spent from the last arrival on.
// For Poisson gaps this is exact for any factor (E. Cinlar, Introduction to Stochastic Processes,
// 1975, 4.7).
#include <algorithm>

#include "env/workload/workload.h"

namespace yardmaster {

namespace {

double to_ps(Duration d) { return static_cast<double>(d.ps); }

/// The constants of a tenant's process. They are cheap to compute, so they are not stored.
struct Clock {
  const ArrivalProcess* process;
  std::uint32_t tenant;
  Seed seed;
  double gap_ps;  // mean gap on the operational clock
  // Factors of the two states.
  double calm = 1;
  double burst = 1;
};

Clock make_clock(const Workload& workload, std::uint32_t tenant, Seed seed) {
  const Tenant& t = workload.tenants[tenant];
  Clock clock{&t.arrivals, tenant, seed,
              static_cast<double>(kPsPerSecond) / (workload.rate_per_s * t.share)};
  if (t.arrivals.kind == ArrivalProcess::Kind::bursty) {
    const double calm = to_ps(t.arrivals.calm);
    const double burst = to_ps(t.arrivals.burst);
    clock.calm = (calm + burst) / (calm + t.arrivals.burst_factor * burst);
    clock.burst = t.arrivals.burst_factor * clock.calm;
  }
  return clock;
}

/// `from` plus the gap, or never() if that is out of range.
Time after(Time from, double gap_ps) {
  const double end = static_cast<double>(from.ps) + gap_ps;
  return end < static_cast<double>(Time::never().ps)
             ? Time{from.ps + static_cast<std::int64_t>(gap_ps + 0.5)}
             : Time::never();
}

void draw_state_end(ArrivalCursor& cursor, const Clock& clock, Time from) {
  const bool burst = cursor.states % 2 == 1;
  const Draw draw{clock.seed, Purpose::phase_switch, object_address(clock.tenant, cursor.states)};
  const Duration mean = burst ? clock.process->burst : clock.process->calm;
  cursor.state_end = after(from, to_ps(mean) * draw.exponential());
}

/// The factor of the profile at `t`. Sets `until` to its next change.
double profile_factor(const ArrivalProcess& process, Time t, Time& until) {
  if (process.profile.empty()) {
    until = Time::never();
    return 1;
  }
  const auto pieces = static_cast<std::int64_t>(process.profile.size());
  const std::int64_t in_period = t.ps % process.period.ps;
  const double position = static_cast<double>(in_period) / to_ps(process.period);
  auto piece =
      std::min(static_cast<std::int64_t>(position * static_cast<double>(pieces)), pieces - 1);
  const auto start = [&](std::int64_t i) {
    return i == pieces ? process.period.ps
                       : static_cast<std::int64_t>(to_ps(process.period) * static_cast<double>(i) /
                                                   static_cast<double>(pieces));
  };
  while (piece + 1 < pieces && start(piece + 1) <= in_period) {
    ++piece;  // the position and start() may round differently at a border
  }
  until = {t.ps - in_period + start(piece + 1)};
  return process.profile[static_cast<std::size_t>(piece)];
}

/// Advances `next` by `gap_ps` of the operational clock. From `end` on it is never().
void spend(ArrivalCursor& cursor, const Clock& clock, double gap_ps, Time end) {
  const bool bursty = clock.process->kind == ArrivalProcess::Kind::bursty;
  Time t = cursor.next;
  while (t < end) {
    Time until;
    double factor = profile_factor(*clock.process, t, until);
    if (bursty) {
      factor *= cursor.states % 2 == 1 ? clock.burst : clock.calm;
      until = std::min(until, cursor.state_end);
    }
    const double room = factor * to_ps(until - t);
    if (gap_ps < room) {
      cursor.next = after(t, gap_ps / factor);
      if (cursor.next >= end) {
        cursor.next = Time::never();
      }
      return;
    }
    gap_ps -= room;
    t = until;
    if (bursty && t == cursor.state_end) {
      ++cursor.states;
      draw_state_end(cursor, clock, t);
    }
  }
  cursor.next = Time::never();
}

/// The gap before arrival number `count`, on the operational clock.
double draw_gap(ArrivalCursor& cursor, const Clock& clock) {
  if (clock.process->kind == ArrivalProcess::Kind::deterministic) {
    // The first gap is cut at random, so that seeds differ and the process is stationary.
    const Draw draw{clock.seed, Purpose::arrival, object_address(clock.tenant, 0)};
    return cursor.count == 0 ? clock.gap_ps * draw.uniform() : clock.gap_ps;
  }
  return clock.gap_ps * cursor.gaps.at(clock.seed, cursor.count, [&](std::uint32_t first) {
    return LaneDraw{clock.seed, Purpose::arrival, object_address(clock.tenant, first)}
        .exponential();
  });
}

std::int64_t scaled(const Workload& workload, std::size_t row) {
  return static_cast<std::int64_t>(to_ps(workload.trace[row].arrival) * workload.time_scale + 0.5);
}

/// Sets `next` to the arrival of the cursor's row, in the time of its window.
void place_row(ArrivalCursor& cursor, const Workload& workload, Time end) {
  cursor.next = Time::never();
  if (cursor.row < workload.trace.size()) {
    const std::int64_t start = workload.window.ps * cursor.window;
    const Time at{scaled(workload, cursor.row) - start};
    const Time window_end{workload.window.ps};
    if (at < end && at < window_end) {
      cursor.next = at;
    }
  }
}

}  // namespace

std::uint32_t trace_window(const Workload& workload, Seed seed) {
  return static_cast<std::uint32_t>(seed.value % workload.windows);
}

ArrivalCursor first_arrival(const Workload& workload, std::uint32_t tenant, Seed seed, Time end) {
  ArrivalCursor cursor;
  cursor.next = {0};
  if (!workload.trace.empty()) {
    cursor.window = trace_window(workload, seed);
    const std::int64_t start = workload.window.ps * cursor.window;
    // Finds the first row at or after `start`.
    std::size_t first = 0;
    std::size_t last = workload.trace.size();
    while (first < last) {
      const std::size_t middle = (first + last) / 2;
      if (scaled(workload, middle) < start) {
        first = middle + 1;
      } else {
        last = middle;
      }
    }
    cursor.row = static_cast<std::uint32_t>(first);
    place_row(cursor, workload, end);
    return cursor;
  }
  const Clock clock = make_clock(workload, tenant, seed);
  if (clock.process->kind == ArrivalProcess::Kind::bursty) {
    // The process starts in equilibrium. The chance of a burst is its share of time. The rest of a
    // state is again exponential.
    const double burst = to_ps(clock.process->burst);
    const double calm = to_ps(clock.process->calm);
    const Draw draw{seed, Purpose::phase_switch, object_address(tenant, 0xFFFFFFFFU)};
    cursor.states = draw.uniform() < burst / (burst + calm) ? 1 : 0;
    draw_state_end(cursor, clock, {0});
  }
  spend(cursor, clock, draw_gap(cursor, clock), end);
  return cursor;
}

void next_arrival(ArrivalCursor& cursor, const Workload& workload, std::uint32_t tenant, Seed seed,
                  Time end) {
  ++cursor.count;
  if (!workload.trace.empty()) {
    ++cursor.row;
    place_row(cursor, workload, end);
    return;
  }
  const Clock clock = make_clock(workload, tenant, seed);
  spend(cursor, clock, draw_gap(cursor, clock), end);
}

}  // namespace yardmaster
