#include "env/base/random.h"

#include <bit>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace yardmaster {
namespace {

constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;  // golden ratio
constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;  // sqrt(3) - 1
constexpr int kRounds = 10;

std::array<std::uint32_t, 4> counter_of(const TaskAddress& at) {
  return {at.tenant, at.workflow,
          static_cast<std::uint32_t>(at.stage) | (static_cast<std::uint32_t>(at.branch) << 16),
          static_cast<std::uint32_t>(at.loop) | (static_cast<std::uint32_t>(at.attempt) << 16)};
}

/// Two 64-bit numbers in a vector register.
using Pair [[gnu::vector_size(16)]] = std::uint64_t;
constexpr std::uint64_t kLow = 0xFFFFFFFFU;

/// The lower 32 bits of each number times `m`.
Pair product(Pair x, std::uint32_t m) {
#ifdef __SSE2__
  // One instruction, which compilers do not find by themselves.
  return reinterpret_cast<Pair>(_mm_mul_epu32(reinterpret_cast<__m128i>(x), _mm_set1_epi64x(m)));
#else
  return (x & kLow) * m;
#endif
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  // Scalars instead of the arrays, because the compiler keeps them in registers.
  std::uint32_t c0 = counter[0];
  std::uint32_t c1 = counter[1];
  std::uint32_t c2 = counter[2];
  std::uint32_t c3 = counter[3];
  std::uint32_t k0 = key[0];
  std::uint32_t k1 = key[1];
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t p0 = std::uint64_t{kMultiplier0} * c0;
    const std::uint64_t p1 = std::uint64_t{kMultiplier1} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return {c0, c1, c2, c3};
}

std::uint64_t Draw::bits_at(const TaskAddress& at, std::uint64_t key) {
  const auto out = philox4x32(
      counter_of(at), {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
  return out[0] | (static_cast<std::uint64_t>(out[1]) << 32);
}

// philox4x32 with two lanes per register. The 32-bit words are the lower halves of 64-bit numbers.
// The upper halves are ignored.
math::Lanes LaneDraw::uniform() const {
  const std::uint64_t key = stream_key(seed, purpose, 0);
  const auto counter = counter_of(first);
  math::Lanes lanes;
  for (std::size_t i = 0; i < math::kLanes; i += 2) {
    Pair c0 = Pair{} + counter[0];
    Pair c1 = Pair{i, i + 1} + counter[1];
    Pair c2 = Pair{} + counter[2];
    Pair c3 = Pair{} + counter[3];
    auto k0 = static_cast<std::uint32_t>(key);
    auto k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < kRounds; ++round) {
      const Pair p0 = product(c0, kMultiplier0);
      const Pair p1 = product(c2, kMultiplier1);
      c0 = (p1 >> 32) ^ c1 ^ k0;
      c1 = p1;
      c2 = (p0 >> 32) ^ c3 ^ k1;
      c3 = p0;
      k0 += kWeyl0;
      k1 += kWeyl1;
    }
    // (b + 1/2) / 2^52, as in Draw::uniform, without a conversion: (1 + b / 2^52) - 1 + 2^-53.
    const Pair bits = (c0 & kLow) | (c1 << 32);
    const Pair one_to_two = (bits >> 12) | std::bit_cast<std::uint64_t>(1.0);
    lanes[i] = (std::bit_cast<double>(one_to_two[0]) - 1) + 0x1.0p-53;
    lanes[i + 1] = (std::bit_cast<double>(one_to_two[1]) - 1) + 0x1.0p-53;
  }
  return lanes;
}

}  // namespace yardmaster
