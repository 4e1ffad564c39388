// Elementary functions that give the same bits on every processor. libm chooses its variant by the
// CPU (FMA or not), so its last bits differ between machines; these use only +, -, *, / and sqrt,
// which IEEE 754 fixes, and the build forbids contraction into FMA.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace yardmaster::math {

/// Natural logarithm, within 2 units in the last place. REQUIRES x > 0 and finite.
double log(double x);

/// e to the x, within 2 units in the last place; 0 below -745, infinity above 709.78.
double exp(double x);

/// log(1 + x) as a short polynomial scheme in float for network inputs: absolute error below 1e-6
/// for 0 <= x < 1e9. Not for the simulated world.
float log1p_approx(float x);

/// Quantile of the standard normal distribution: algorithm AS 241 of M. J. Wichura (Applied
/// Statistics 37, 1988), relative error about 1e-16. REQUIRES 0 < p < 1.
double normal_quantile(double p);

/// Numbers worked on side by side in vector registers.
inline constexpr std::size_t kLanes = 8;
using Lanes = std::array<double, kLanes>;

/// log, exp and normal_quantile of each: the same bits, in half the time. REQUIRES of log: normal
/// numbers; of exp: |x| <= 700; of normal_quantile: as above.
Lanes log(const Lanes&);
Lanes exp(const Lanes&);
Lanes normal_quantile(const Lanes&);

}  // namespace yardmaster::math
