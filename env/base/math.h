// Elementary functions that give the same bits on every processor. libm selects its variant by the
// CPU (with or without FMA), so its last bits differ between machines. These functions use only
// +, -, *, / and sqrt, which IEEE 754 defines exactly. The build forbids contraction into FMA.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace yardmaster::math {

/// Natural logarithm, within 2 units in the last place. REQUIRES a finite x > 0.
double log(double x);

/// e to the x, within 2 units in the last place; 0 below -745, infinity above 709.78.
double exp(double x);

/// log(1 + x) in float by a short polynomial, for network inputs. Absolute error below 1e-6 for
/// 0 <= x < 1e9. Not for the simulated world. REQUIRES x >= 0.
float log1p_approx(float x);

/// Quantile of the standard normal distribution: algorithm AS 241 of M. J. Wichura (Applied
/// Statistics 37, 1988), relative error about 1e-16. REQUIRES 0 < p < 1.
double normal_quantile(double p);

/// How many numbers the functions below process side by side in vector registers.
inline constexpr std::size_t kLanes = 8;
using Lanes = std::array<double, kLanes>;

/// log, exp and normal_quantile of each lane: the same bits as above, in half the time.
/// REQUIRES for log: normal numbers > 0; for exp: |x| <= 700; for normal_quantile: 0 < p < 1.
Lanes log(const Lanes&);
Lanes exp(const Lanes&);
Lanes normal_quantile(const Lanes&);

}  // namespace yardmaster::math
