// Addressed randomness: a random number is a pure function of (seed, purpose, address, index).
//
// The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as
// 1, 2, 3, SC 2011); tests hold the known-answer vectors of its authors' library. Nothing is
// consumed, so no policy can move another task's luck, and threads cannot reorder it.
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

/// What a draw is for: separate purposes are separate, independent streams.
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

/// Mixes 64 bits into 64 bits (the finaliser of splitmix64); used to spread seeds and for digests.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// Philox's key for the i-th numbers of a purpose.
constexpr std::uint64_t stream_key(Seed seed, Purpose purpose, std::uint32_t i) {
  const std::uint64_t stream = (static_cast<std::uint64_t>(purpose) << 32) | i;
  return mix64(seed.value ^ mix64(stream));
}

/// All numbers of one purpose at one address. Pure: the same arguments give the same number.
struct Draw {
  Seed seed;
  Purpose purpose;
  TaskAddress at;

  /// 64 random bits, the i-th at this address.
  [[nodiscard]] std::uint64_t bits(std::uint32_t i = 0) const {
    return bits_at(at, stream_key(seed, purpose, i));
  }
  /// Uniform in (0, 1), never 0 or 1: safe under log and under a normal quantile.
  [[nodiscard]] double uniform(std::uint32_t i = 0) const {
    // 52 bits and half a step: the ends of the interval cannot come out.
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
  // The first half of Philox's output for a counter of `at`.
  static std::uint64_t bits_at(const TaskAddress& at, std::uint64_t key);
};

/// Draws of one purpose for kLanes tasks in a row: lane i is that of the workflow number
/// `first.workflow` + i. The same bits as Draw's, in half the time.
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

/// What has been drawn for kLanes workflow numbers in a row. A cache of pure draws: copies and
/// forgets freely.
template <class T>
class DrawnAhead {
 public:
  /// That of `workflow`. `draw(first)` makes kLanes of them, pure in (seed, first).
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

/// The address of the k-th event of an object that is not a task: a node's failure, a tenant's
/// arrival.
constexpr TaskAddress object_address(std::uint32_t object, std::uint32_t k) {
  return {object, k, 0, 0, 0, 0};
}

}  // namespace yardmaster
