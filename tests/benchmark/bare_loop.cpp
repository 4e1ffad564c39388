#include "tests/benchmark/bare_loop.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <deque>
#include <utility>

#include "env/base/check.h"
#include "env/base/math.h"
#include "env/base/random.h"
#include "env/base/winner_tree.h"

namespace yardmaster::bare {
namespace {

constexpr std::int64_t kBlock = 16;
constexpr std::uint32_t kNone = 0xFFFFFFFFU;

/// A request inside a node. Its context before step s is s + offset tokens, so that decoding writes
/// nothing to it.
struct Sequence {
  std::int32_t prompt = 0, left = 0;  // tokens to compute when admitted; to sample
  std::int64_t offset = 0, finish_step = 0;
  std::uint32_t older = kNone, newer = kNone;  // in order of admission
};

/// A stretch of equal steps: step j lasts first + growth j.
struct Stretch {
  std::int64_t first = 0, growth = 0, steps = 0;

  [[nodiscard]] std::int64_t total(std::int64_t n) const {
    return first * n + growth * (n * (n - 1) / 2);
  }
  /// The fewest steps that last at least `ps`, at most `steps`.
  [[nodiscard]] std::int64_t reach(std::int64_t ps) const {
    const double a = static_cast<double>(growth) / 2, b = static_cast<double>(first) - a;
    const auto c = static_cast<double>(ps);
    const double root = a > 0 ? (std::sqrt(b * b + 4 * a * c) - b) / (2 * a) : c / b;
    auto n = std::clamp(static_cast<std::int64_t>(root), std::int64_t{0}, steps);
    while (n < steps && total(n) < ps) {
      ++n;
    }
    while (n > 0 && total(n - 1) >= ps) {
      --n;
    }
    return n;
  }
};

class Node {
 public:
  explicit Node(const NodeCosts& costs) : costs_(&costs), free_(costs.blocks) {}

  /// Accepts a request at `now`; returns when the next event of the node is due.
  Time deliver(std::uint32_t id, Time now) {
    waiting_.push_back(id);
    if (batch_ == 0) {
      start_ = now;
      stretch_ = {};
    } else if (!prefilling_) {
      stretch_.steps =
          std::min(stretch_.steps, std::max<std::int64_t>(stretch_.reach((now - start_).ps), 1));
    }
    return due();
  }

  /// Ends the stretch that is due and starts the next; returns when that is due.
  Time turn(std::vector<Sequence>& all, Result& result) {
    ++result.events;
    const Time now = due();
    apply_stretch();
    end_finished(all, now, result);
    plan(all, now, result);
    return batch_ == 0 ? Time::never() : due();
  }

  /// Whether no request is left and all memory is free.
  [[nodiscard]] bool empty() const {
    return batch_ == 0 && waiting_.empty() && context_ == 0 && free_ == costs_->blocks;
  }

 private:
  [[nodiscard]] Time due() const { return {start_.ps + stretch_.total(stretch_.steps)}; }
  static std::size_t phase(std::int64_t offset) {
    return static_cast<std::size_t>(offset & (kBlock - 1));
  }
  /// Blocks that the step in `ahead` steps needs: a context starts a block when it is a multiple of
  /// 16.
  [[nodiscard]] std::int64_t crossing(std::int64_t ahead) const {
    return phases_[phase(-(step_ + ahead))];
  }

  void apply_stretch() {
    if (!prefilling_) {
      free_ -= blocks_in(stretch_.steps);
      context_ += batch_ * stretch_.steps;
    }
    step_ += stretch_.steps;
    prefilling_ = false;
  }

  /// Blocks that `n` more steps need.
  [[nodiscard]] std::int64_t blocks_in(std::int64_t n) const {
    std::int64_t blocks = batch_ * (n / kBlock);
    for (std::int64_t j = 0; j < n % kBlock; ++j) {
      blocks += crossing(j);
    }
    return blocks;
  }

  /// Steps until memory runs out.
  [[nodiscard]] std::int64_t steps_that_fit() const {
    std::int64_t n = free_ / batch_ * kBlock, left = free_ % batch_;
    for (std::int64_t j = 0; j < kBlock; ++j, ++n) {
      left -= crossing(j);
      if (left < 0) {
        break;
      }
    }
    return n;
  }

  void end_finished(std::vector<Sequence>& all, Time now, Result& result) {
    while (!ends_.empty() && ends_.front().first <= step_) {
      const auto [finish_step, id] = ends_.front();
      std::pop_heap(ends_.begin(), ends_.end(), std::greater<>());
      ends_.pop_back();
      if (all[id].finish_step == finish_step) {  // else it has been postponed
        remove(all, id);
        ++result.finished;
        result.checksum += static_cast<std::uint64_t>(now.ps);
        result.end = now;
      }
    }
  }

  void remove(std::vector<Sequence>& all, std::uint32_t id) {
    Sequence& out = all[id];
    const std::int64_t context = step_ + out.offset;
    free_ += (context + kBlock - 1) / kBlock;
    context_ -= context;
    --phases_[phase(out.offset)];
    --batch_;
    (out.older == kNone ? oldest_ : all[out.older].newer) = out.newer;
    (out.newer == kNone ? newest_ : all[out.newer].older) = out.older;
    out.finish_step = -1;
  }

  /// Preempts the newest request, which computes its tokens again later.
  void preempt(std::vector<Sequence>& all, Result& result) {
    const std::uint32_t id = newest_;
    Sequence& out = all[id];
    const auto sampled = static_cast<std::int32_t>(out.left - (out.finish_step - step_));
    remove(all, id);
    out.prompt += sampled;
    out.left -= sampled;
    waiting_.push_front(id);
    ++result.preemptions;
  }

  void plan(std::vector<Sequence>& all, Time now, Result& result) {
    start_ = now;
    const std::uint64_t preempted_before = result.preemptions;
    while (crossing(0) > free_) {
      check(batch_ > 1, "a request is larger than a node");
      preempt(all, result);
    }
    const std::int64_t decodes = batch_;
    const std::int64_t needed = crossing(0);
    std::int64_t prompts = 0;
    while (!waiting_.empty() && batch_ < costs_->max_sequences &&
           result.preemptions == preempted_before) {
      const std::uint32_t id = waiting_.front();
      const std::int64_t blocks = (all[id].prompt + kBlock - 1) / kBlock;
      if (blocks > free_ - needed) {
        check(batch_ > 0, "a request is larger than a node");
        break;
      }
      waiting_.pop_front();
      free_ -= blocks;
      prompts += all[id].prompt;
      admit(all, id);
    }
    if (prompts > 0) {
      // One step that computes all new prompts beside the decodes.
      prefilling_ = true;
      stretch_ = {costs_->step.ps + costs_->sequence.ps * batch_ +
                      costs_->context_token.ps * context_ + costs_->prompt_token.ps * prompts,
                  0, 1};
      free_ -= needed;
      context_ += prompts + decodes;
    } else if (batch_ > 0) {
      stretch_ = {
          costs_->step.ps + costs_->sequence.ps * batch_ + costs_->context_token.ps * context_,
          costs_->context_token.ps * batch_, std::min(next_end(all) - step_, steps_that_fit())};
    }
  }

  void admit(std::vector<Sequence>& all, std::uint32_t id) {
    Sequence& in = all[id];
    // The step of its prefill samples its first token.
    in.offset = in.prompt - (step_ + 1);
    in.finish_step = step_ + in.left;
    in.older = newest_;
    in.newer = kNone;
    (newest_ == kNone ? oldest_ : all[newest_].newer) = id;
    newest_ = id;
    ends_.emplace_back(in.finish_step, id);
    std::push_heap(ends_.begin(), ends_.end(), std::greater<>());
    ++phases_[phase(in.offset)];
    ++batch_;
  }

  std::int64_t next_end(const std::vector<Sequence>& all) {
    while (all[ends_.front().second].finish_step != ends_.front().first) {
      std::pop_heap(ends_.begin(), ends_.end(), std::greater<>());
      ends_.pop_back();
    }
    return ends_.front().first;
  }

  const NodeCosts* costs_;
  Time start_;
  Stretch stretch_;
  bool prefilling_ = false;
  std::int64_t step_ = 0, batch_ = 0, context_ = 0, free_ = 0;
  std::array<std::int64_t, kBlock> phases_{};  // sequences by (context - step) modulo 16
  std::vector<std::pair<std::int64_t, std::uint32_t>> ends_;  // heap: finishing step, sequence
  std::deque<std::uint32_t> waiting_;
  std::uint32_t oldest_ = kNone, newest_ = kNone;
};

}  // namespace

NodeCosts example_node() {
  return {.step = Duration::from_seconds(6e-3),
          .sequence = Duration::from_seconds(20e-6),
          .context_token = Duration::from_seconds(40e-9),
          .prompt_token = Duration::from_seconds(35e-6),
          .blocks = 25'000,
          .max_sequences = 256};
}

Result run(std::span<const Arrival> arrivals, std::uint32_t nodes, const NodeCosts& costs) {
  std::vector<Sequence> all(arrivals.size());
  std::vector<Node> fleet(nodes, Node(costs));
  WinnerTree events(nodes + std::size_t{1});  // the last slot is the next arrival
  if (!arrivals.empty()) {
    events.set(nodes, arrivals.front().at);
  }
  Result result;
  for (std::size_t arrived = 0; !events.first_time().is_never();) {
    const std::size_t slot = events.first();
    if (slot < nodes) {
      events.set(slot, fleet[slot].turn(all, result));
      continue;
    }
    ++result.events;
    const Arrival& arrival = arrivals[arrived];
    all[arrived].prompt = arrival.prompt_tokens;
    all[arrived].left = arrival.output_tokens;
    result.output_tokens += static_cast<std::uint64_t>(arrival.output_tokens);
    const std::size_t to = arrived % nodes;
    events.set(to, fleet[to].deliver(static_cast<std::uint32_t>(arrived), arrival.at));
    ++arrived;
    events.set(nodes, arrived < arrivals.size() ? arrivals[arrived].at : Time::never());
  }
  for (const Node& node : fleet) {
    check(node.empty(), "a node is not empty at the end");
  }
  return result;
}

std::vector<Arrival> conversation(std::uint32_t count, std::uint64_t seed) {
  std::vector<Arrival> arrivals(count);
  Time now;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto draw = [&](Purpose purpose) { return Draw{{seed}, purpose, object_address(0, i)}; };
    const auto length = [&](Purpose purpose, double median, double sigma, double most) {
      const double tokens = median * math::exp(sigma * draw(purpose).normal());
      return static_cast<std::int32_t>(std::clamp(tokens, 1.0, most));
    };
    now = now + Duration::from_seconds(draw(Purpose::arrival).exponential());
    arrivals[i] = {now, length(Purpose::prompt_length, 1000, 1.0, 8000),
                   length(Purpose::output_length, 130, 0.9, 1000)};
  }
  return arrivals;
}

void scale_to_load(std::vector<Arrival>& arrivals, double load, std::uint32_t nodes,
                   const NodeCosts& costs) {
  if (arrivals.empty()) {
    return;
  }
  std::vector<Arrival> at_once = arrivals;
  for (Arrival& arrival : at_once) {
    arrival.at = Time{};
  }
  const double busy_s = run(at_once, nodes, costs).end.seconds();
  const double scale = busy_s / load / arrivals.back().at.seconds();
  for (Arrival& arrival : arrivals) {
    arrival.at = Time{} + Duration::from_seconds(arrival.at.seconds() * scale);
  }
}

}  // namespace yardmaster::bare
