#include "env/base/random.h"

namespace yardmaster {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53U;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57U;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;  // golden ratio
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;  // sqrt(3) - 1
  // Scalars, not the arrays: the compiler keeps them in registers.
  std::uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  std::uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = kMultiplier0 * c0;
    const std::uint64_t p1 = kMultiplier1 * c2;
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
  const std::array<std::uint32_t, 4> counter = {
      at.tenant, at.workflow,
      static_cast<std::uint32_t>(at.stage) | (static_cast<std::uint32_t>(at.branch) << 16),
      static_cast<std::uint32_t>(at.loop) | (static_cast<std::uint32_t>(at.attempt) << 16)};
  const auto out =
      philox4x32(counter, {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
  return out[0] | (static_cast<std::uint64_t>(out[1]) << 32);
}

}  // namespace yardmaster
