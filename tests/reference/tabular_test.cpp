// Q-learning compared with the optimum. Two nodes serve one task at a time, at unequal rates. Tasks
// arrive as a Poisson process and must be sent at once. The cost is the number of tasks present,
// integrated over time and discounted at a constant rate. As a Markov chain by uniformisation:
//   state    (m, n): tasks on the fast and on the slow node when a task arrives, each 0 .. kRoom
//   action   send it to the fast (0) or to the slow node (1); a full node refuses it, which costs
//            kRefusal and leaves the state unchanged
//   events   come at rate L = arrival + fast + slow:
//              the next arrival          with probability arrival / L
//              an end on the fast node   with fast / L (nothing happens when it is idle)
//              an end on the slow node   with slow / L (likewise)
//            each costs (m + n) / (L + beta) before it, and discounts by L / (L + beta)
// Value iteration solves the chain; the learner of agents/ sees sampled transitions only.
#include "agents/tabular_q.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace yardmaster {
namespace {

constexpr std::size_t kRoom = 4, kSide = kRoom + 1, kStates = kSide * kSide, kActions = 2;
constexpr double kArrival = 1.3, kFast = 2.0, kSlow = 0.6, kBeta = 0.2, kRefusal = 8.0;
constexpr double kRate = kArrival + kFast + kSlow;
constexpr double kEventDiscount = kRate / (kRate + kBeta);

struct Place {
  std::size_t fast = 0, slow = 0;
  [[nodiscard]] std::size_t state() const { return fast * kSide + slow; }
  [[nodiscard]] double cost() const { return static_cast<double>(fast + slow) / (kRate + kBeta); }
};

struct Sent {
  Place after;
  double cost = 0;
};

Sent send(Place at, std::size_t action) {
  std::size_t& tasks = action == 0 ? at.fast : at.slow;
  if (tasks == kRoom) {
    return {at, kRefusal};
  }
  ++tasks;
  return {at, 0};
}

using Values = std::array<std::array<double, kActions>, kStates>;

double best(const Values& q, std::size_t state) {
  return *std::max_element(q[state].begin(), q[state].end());
}

// W(m, n): value between decisions; W and Q are iterated together.
Values value_iteration() {
  Values q{};
  std::array<double, kStates> between{};
  for (int round = 0; round < 5000; ++round) {
    for (std::size_t fast = 0; fast < kSide; ++fast) {
      for (std::size_t slow = 0; slow < kSide; ++slow) {
        const Place at{fast, slow};
        const double ends = kFast * between[Place{fast - (fast > 0 ? 1 : 0), slow}.state()] +
                            kSlow * between[Place{fast, slow - (slow > 0 ? 1 : 0)}.state()];
        between[at.state()] =
            -at.cost() + kEventDiscount * (kArrival * best(q, at.state()) + ends) / kRate;
      }
    }
    for (std::size_t s = 0; s < kStates; ++s) {
      for (std::size_t a = 0; a < kActions; ++a) {
        const Sent sent = send({s / kSide, s % kSide}, a);
        q[s][a] = -sent.cost + between[sent.after.state()];
      }
    }
  }
  return q;
}

// Samples the chain from decision to decision and updates the table.
QTable q_learning(int decisions) {
  QTable table(kStates, kActions);
  Place at;
  for (int i = 0; i < decisions; ++i) {
    const Draw luck{Seed{11}, Purpose::exploration,
                    object_address(0, static_cast<std::uint32_t>(i))};
    const std::size_t state = at.state();
    const std::size_t action = table.explore(state, 0.5, luck);
    Sent sent = send(at, action);
    double reward = -sent.cost, discount = 1;
    Place now = sent.after;
    for (std::uint32_t event = 2;; ++event) {
      reward -= discount * now.cost();
      discount *= kEventDiscount;
      const double u = luck.uniform(event) * kRate;
      if (u < kArrival) {
        break;
      }
      std::size_t& tasks = u < kArrival + kFast ? now.fast : now.slow;
      tasks -= tasks > 0 ? 1 : 0;
    }
    table.update(state, action, reward, discount, now.state());
    at = now;
    if (i % 20 == 19) {  // corners are rare: restart in any state
      at = {luck.below(kSide, 1000), luck.below(kSide, 1001)};
    }
  }
  return table;
}

TEST(TabularQ, ReachesThePolicyThatValueIterationComputes) {
  const Values optimum = value_iteration();
  const QTable learned = q_learning(1'500'000);
  std::size_t fast_first = 0, slow_first = 0;
  for (std::size_t s = 0; s + 1 < kStates; ++s) {  // in the last both refuse
    const std::size_t wanted = optimum[s][0] >= optimum[s][1] ? 0 : 1;
    (wanted == 0 ? fast_first : slow_first) += 1;
    EXPECT_EQ(learned.best(s, kActions), wanted)
        << "with " << s / kSide << " tasks on the fast and " << s % kSide
        << " on the slow node: optimum " << optimum[s][0] << ", " << optimum[s][1] << "; learned "
        << learned.value(s, 0) << ", " << learned.value(s, 1);
    EXPECT_NEAR(learned.value(s, wanted), optimum[s][wanted], 0.05 * std::abs(optimum[s][wanted]));
  }
  EXPECT_GT(fast_first, 5U) << "the toy is trivial";
  EXPECT_GT(slow_first, 5U) << "the toy is trivial";
}

TEST(TabularQ, AnUntriedStateAnswersWithTheFallback) {
  QTable table(3, 2);
  EXPECT_EQ(table.best(1, 1), 1U);
  table.update(1, 0, -5.0, 0.9, 2);
  EXPECT_EQ(table.best(1, 1), 0U)
      << "a tried action, however bad, is better known than an untried one";
}

}  // namespace
}  // namespace yardmaster
