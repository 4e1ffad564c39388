#include "env/base/math.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>

#include "env/base/check.h"

namespace yardmaster::math {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kMantissaBits = 52;
constexpr std::int64_t kExponentBias = 1023;
constexpr std::uint64_t kMantissaMask = (1ULL << kMantissaBits) - 1;
constexpr std::uint64_t kBitsOfOne = 0x3FF0000000000000ULL;
constexpr std::uint64_t kBitsOfSqrtHalf = 0x3FE6A09E667F3BCDULL;

// ln 2 in two parts. The first ends in 21 zero bits, so its product with any exponent is exact. The
// second is the rest, to 2^-101.
constexpr double kLn2High = 0x1.62E42FEE00000p-1;
constexpr double kLn2Low = 0x1.A39EF35793C76p-33;
constexpr double kLog2E = 0x1.71547652B82FEp+0;
constexpr double kWholeNumbers = 0x1.8p52;  // doubles of this size have no fraction

struct Split {
  double mantissa;  // in [sqrt(1/2), sqrt(2))
  double exponent;  // a whole number
};

/// x = mantissa * 2^exponent. REQUIRES x > 0, finite and not subnormal.
Split split(double x) {
  // Counting from sqrt(1/2) instead of from 1 puts the mantissa's interval around 1.
  const std::uint64_t above = std::bit_cast<std::uint64_t>(x) - kBitsOfSqrtHalf;
  const auto exponent = static_cast<std::int64_t>(above) >> kMantissaBits;
  return {std::bit_cast<double>((above & kMantissaMask) + kBitsOfSqrtHalf),
          static_cast<double>(exponent)};
}

/// 2^k. REQUIRES -1022 <= k <= 1023.
double power_of_two(std::int64_t k) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(k + kExponentBias) << kMantissaBits);
}

/// coefficients[0] + coefficients[1] x + coefficients[2] x^2 + ...
/// Even and odd powers form two chains, which the processor evaluates side by side.
/// REQUIRES an even number of coefficients.
template <std::size_t N>
double polynomial(const std::array<double, N>& coefficients, double x) {
  static_assert(N % 2 == 0);
  const double square = x * x;
  double even = coefficients[N - 2];
  double odd = coefficients[N - 1];
  for (std::size_t i = N - 2; i > 0; i -= 2) {
    even = even * square + coefficients[i - 2];
    odd = odd * square + coefficients[i - 1];
  }
  return even + x * odd;
}

/// log(mantissa * 2^k), with a whole `k` as a double.
inline double log_of(double mantissa, double k) {
  // log(1 + f) = 2 artanh(s) with s = f / (2 + f). As 2 s = f - s f, the large term, f, is exact.
  // |s| < 0.172, so the eleventh term of the series is below 2^-57 of the sum.
  constexpr std::array<double, 10> kArtanh = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                                              2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};
  const double f = mantissa - 1;
  const double s = f / (2 + f);
  const double z = s * s;
  const double rest = z * polynomial(kArtanh, z);
  return k * kLn2High + (f - (s * (f - rest) - k * kLn2Low));
}

/// x = n ln(2) / 16 + r with |r| <= ln(2) / 32.
struct Sixteenths {
  double n;       // a whole number
  double growth;  // exp(r) - 1
};

inline Sixteenths sixteenths(double x) {
  // Rounded by the adder. The sign of x is often unpredictable, and a branch on it costs more than
  // everything else here.
  const double n = (x * (16 * kLog2E) + kWholeNumbers) - kWholeNumbers;
  const double high = x - n * (kLn2High / 16);
  const double low = n * (kLn2Low / 16);
  const double r = high - low;
  const double rounding_error = (high - r) - low;
  // Eight terms of the series leave an error of 2^-59.
  constexpr std::array<double, 6> kInverseFactorials = {1.0 / 2,   1.0 / 6,   1.0 / 24,
                                                        1.0 / 120, 1.0 / 720, 1.0 / 5040};
  return {n, r + (r * r * polynomial(kInverseFactorials, r) + rounding_error)};
}

// 2^(i / 16), rounded to nearest.
constexpr std::array<double, 16> kRoots = {
    0x1.0000000000000p+0, 0x1.0B5586CF9890Fp+0, 0x1.172B83C7D517Bp+0, 0x1.2387A6E756238p+0,
    0x1.306FE0A31B715p+0, 0x1.3DEA64C123422p+0, 0x1.4BFDAD5362A27p+0, 0x1.5AB07DD485429p+0,
    0x1.6A09E667F3BCDp+0, 0x1.7A11473EB0187p+0, 0x1.8ACE5422AA0DBp+0, 0x1.9C49182A3F090p+0,
    0x1.AE89F995AD3ADp+0, 0x1.C199BDD85529Cp+0, 0x1.D5818DCFBA487p+0, 0x1.EA4AFA2A490DAp+0};

/// exp(r) 2^((n mod 16) / 16).
inline double root_times_growth(std::int64_t n, double growth) {
  const double root = kRoots[static_cast<std::size_t>(n & 15)];
  return root + root * growth;
}

// The coefficients of PPND16 in AS 241. It has three rational functions: for |p - 1/2| <= 0.425,
// for the tails down to p = e^-25, and for the tails beyond.
constexpr double kCentral = 0.425;

inline double central_quantile(double q) {
  constexpr std::array<double, 8> kAbove = {3.3871328727963666080e0, 1.3314166789178437745e2,
                                            1.9715909503065514427e3, 1.3731693765509461125e4,
                                            4.5921953931549871457e4, 6.7265770927008700853e4,
                                            3.3430575583588128105e4, 2.5090809287301226727e3};
  constexpr std::array<double, 8> kBelow = {1.0,
                                            4.2313330701600911252e1,
                                            6.8718700749205790830e2,
                                            5.3941960214247511077e3,
                                            2.1213794301586595867e4,
                                            3.9307895800092710610e4,
                                            2.8729085735721942674e4,
                                            5.2264952788528545610e3};
  const double r = 0.180625 - q * q;
  return q * polynomial(kAbove, r) / polynomial(kBelow, r);
}

double tail_quantile(double p) {
  constexpr std::array<double, 8> kTail = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                           5.76949722146069140550e0,  3.64784832476320460504e0,
                                           1.27045825245236838258e0,  2.41780725177450611770e-1,
                                           2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr std::array<double, 8> kTailBelow = {1.0,
                                                2.05319162663775882187e0,
                                                1.67638483018380384940e0,
                                                6.89767334985100004550e-1,
                                                1.48103976427480074590e-1,
                                                1.51986665636164571966e-2,
                                                5.47593808499534494600e-4,
                                                1.05075007164441684324e-9};
  constexpr std::array<double, 8> kFarTail = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                              1.78482653991729133580e0,  2.96560571828504891230e-1,
                                              2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                              2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr std::array<double, 8> kFarTailBelow = {1.0,
                                                   5.99832206555887937690e-1,
                                                   1.36929880922735805310e-1,
                                                   1.48753612908506148525e-2,
                                                   7.86869131145613259100e-4,
                                                   1.84631831751005468180e-5,
                                                   1.42151175831644588870e-7,
                                                   2.04426310338993978564e-15};
  const double tail = std::sqrt(-log(p < 0.5 ? p : 1 - p));
  const double value = tail <= 5
                           ? polynomial(kTail, tail - 1.6) / polynomial(kTailBelow, tail - 1.6)
                           : polynomial(kFarTail, tail - 5) / polynomial(kFarTailBelow, tail - 5);
  return p < 0.5 ? -value : value;
}

}  // namespace

double log(double x) {
  check(x > 0 && x < kInfinity, "log of a number that is not positive and finite");
  double shift = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1.0p54;
    shift = -54;
  }
  const auto [mantissa, exponent] = split(x);
  return log_of(mantissa, exponent + shift);
}

double exp(double x) {
  constexpr double kOverflow = 0x1.62E42FEFA39EFp+9;  // the largest x with a finite result
  constexpr double kUnderflow = -746;                 // below half of the smallest subnormal
  if (x != x) {
    return x;  // NaN
  }
  if (x > kOverflow) {
    return kInfinity;
  }
  if (x < kUnderflow) {
    return 0;
  }
  const Sixteenths parts = sixteenths(x);
  const auto n = static_cast<std::int64_t>(parts.n);
  const double value = root_times_growth(n, parts.growth);
  // Two factors, because 2^k alone may be out of range where the result is not.
  const std::int64_t k = n >> 4;
  return value * power_of_two(k >> 1) * power_of_two(k - (k >> 1));
}

float log1p_approx(float x) {
  check(x >= 0, "log1p_approx of a negative number");
  // In double, because above 16 the allowed error is half a unit in the last place of a float.
  // |s| < 0.172, and the first term left out is below 1e-10.
  constexpr std::array<double, 6> kArtanh = {2.0, 2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11};
  const auto [mantissa, exponent] = split(1 + static_cast<double>(x));
  const double s = (mantissa - 1) / (mantissa + 1);
  return static_cast<float>(exponent * (kLn2High + kLn2Low) + s * polynomial(kArtanh, s * s));
}

double normal_quantile(double p) {
  check(p > 0 && p < 1, "normal_quantile outside (0, 1)");
  const double q = p - 0.5;
  return q >= -kCentral && q <= kCentral ? central_quantile(q) : tail_quantile(p);
}

Lanes log(const Lanes& x) {
  Lanes mantissa;
  Lanes exponent;
  Lanes out;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Split parts = split(x[i]);
    mantissa[i] = parts.mantissa;
    exponent[i] = parts.exponent;
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    out[i] = log_of(mantissa[i], exponent[i]);
  }
  return out;
}

Lanes exp(const Lanes& x) {
  Lanes n;
  Lanes growth;
  Lanes out;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Sixteenths parts = sixteenths(x[i]);
    n[i] = parts.n;
    growth[i] = parts.growth;
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    const auto k = static_cast<std::int64_t>(n[i]);
    out[i] = root_times_growth(k, growth[i]) * power_of_two(k >> 4);
  }
  return out;
}

// Most values are central. The others are computed again.
Lanes normal_quantile(const Lanes& p) {
  Lanes out;
  for (std::size_t i = 0; i < kLanes; ++i) {
    out[i] = central_quantile(p[i] - 0.5);
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    const double q = p[i] - 0.5;
    if (!(q >= -kCentral && q <= kCentral)) {
      out[i] = normal_quantile(p[i]);
    }
  }
  return out;
}

}  // namespace yardmaster::math
