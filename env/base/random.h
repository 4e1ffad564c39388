// Addressed randomness: a random number is a pure function of (seed, purpose, address, index).
//
// The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as
// 1, 2, 3, SC 2011). Tests compare it with the known-answer vectors of its authors' library.
// A draw advances no state, so neither a policy nor the order of threads can change another draw.
#pragma once

#include <array>
#include <cstdint>

#include "env/base/ids.h"
#include "env/base/math.h"

namespace yardmaster {

/// The root of every draw of one run.
struct Seed {
  std::uint64_t value = 0;
  constexpr bool operator==(const Seed&) const = default;
};

/// What a draw is used for. Each purpose is an independent stream.
enum class Purpose : std::uint32_t {
  arrival = 1,
  prompt_length,
  output_length,
  predicted_length,
  calibration,
  failure,
  repair,
  slow_start,
  slow_end,
  report_phase,
  report_loss,
  tie,
  exploration,
  replay,
  weights,
  episode,
  phase_switch,
};

/// Ten rounds of Philox4x32 on a counter of 128 bits under a key of 64 bits.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// Mixes 64 bits into 64 bits by the finaliser of splitmix64. Used for seeds and digests.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// The key under which Philox makes the i-th number of a purpose, at every address.
constexpr std::uint64_t stream_key(Seed seed, Purpose purpose, std::uint32_t i) {
  const std::uint64_t stream = (static_cast<std::uint64_t>(purpose) << 32) | i;
  return mix64(seed.value ^ mix64(stream));
}

/// All random numbers of one purpose at one address. The same arguments give the same number.
struct Draw {
  Seed seed;
  Purpose purpose;
  TaskAddress at;

  /// The i-th 64 random bits at this address.
  [[nodiscard]] std::uint64_t bits(std::uint32_t i = 0) const {
    return bits_at(at, stream_key(seed, purpose, i));
  }
  /// Uniform in (0, 1). Never 0 or 1, so log and normal_quantile accept it.
  [[nodiscard]] double uniform(std::uint32_t i = 0) const {
    // 52 bits plus half a step, which excludes the ends of the interval.
    return (static_cast<double>(bits(i) >> 12) + 0.5) * 0x1.0p-52;
  }
  /// Uniform integer in [0, n). REQUIRES n > 0.
  [[nodiscard]] std::uint32_t below(std::uint32_t n, std::uint32_t i = 0) const {
    return static_cast<std::uint32_t>(((bits(i) >> 32) * n) >> 32);
  }
  /// Standard normal deviate.
  [[nodiscard]] double normal(std::uint32_t i = 0) const {
    return math::normal_quantile(uniform(i));
  }
  /// Exponential deviate of mean 1.
  [[nodiscard]] double exponential(std::uint32_t i = 0) const { return -math::log(uniform(i)); }

 private:
  // The first half of Philox's output, with `at` as the counter.
  static std::uint64_t bits_at(const TaskAddress& at, std::uint64_t key);
};

/// Draws of one purpose for kLanes consecutive workflows: lane i belongs to workflow
/// `first.workflow + i`. The same bits as those of Draw, in half the time.
struct LaneDraw {
  Seed seed;
  Purpose purpose;
  TaskAddress first;

  [[nodiscard]] math::Lanes uniform() const;
  [[nodiscard]] math::Lanes normal() const { return math::normal_quantile(uniform()); }
  [[nodiscard]] math::Lanes exponential() const {
    math::Lanes lanes = math::log(uniform());
    for (double& x : lanes) {
      x = -x;
    }
    return lanes;
  }
};

/// A cache of the draws for kLanes consecutive workflows. Draws are pure, so it may be copied or
/// dropped at any time.
template <class T>
class DrawnAhead {
 public:
  /// The value of `workflow`. `draw(first)` returns those of kLanes workflows from `first` on, and
  /// must be a pure function of (seed, first).
  template <class Draws>
  [[nodiscard]] const T& at(Seed seed, std::uint32_t workflow, Draws draw) {
    if (workflow - first_ >= math::kLanes || seed != seed_ || !drawn_) {
      values_ = draw(workflow);
      seed_ = seed;
      first_ = workflow;
      drawn_ = true;
    }
    return values_[workflow - first_];
  }

 private:
  Seed seed_;
  std::uint32_t first_ = 0;
  bool drawn_ = false;
  std::array<T, math::kLanes> values_{};
};

/// The address of event k of an object other than a task: a node's failure, a tenant's arrival.
constexpr TaskAddress object_address(std::uint32_t object, std::uint32_t k) {
  return {object, k, 0, 0, 0, 0};
}

}  // namespace yardmaster
