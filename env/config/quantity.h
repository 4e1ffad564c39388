// Values with units, and the conversion of values from and to text.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "env/base/units.h"
#include "env/config/document.h"

namespace yardmaster::yaml {

/// What a quantity measures. Values are in bytes, 1/s, bytes/s, FLOP/s, W and USD/h.
enum class Unit : std::uint8_t { duration, bytes, rate, bandwidth, flops, power, price };

/// A quantity other than a Duration.
template <Unit U>
struct Quantity {
  double value = 0;
  constexpr auto operator<=>(const Quantity&) const = default;
};
using Bytes = Quantity<Unit::bytes>;
using PerSecond = Quantity<Unit::rate>;
using BytesPerSecond = Quantity<Unit::bandwidth>;
using FlopPerSecond = Quantity<Unit::flops>;
using Watts = Quantity<Unit::power>;
using UsdPerHour = Quantity<Unit::price>;

/// Reads and writes values of type T: bool, int32_t, int64_t, double, string, Duration or Quantity.
template <class T>
struct Codec {
  /// The name of the type in messages and in the reference.
  static std::string type();
  /// Reads a scalar. Returns an error message, empty on success.
  static std::string read(const Node& node, T& value);
  /// Text that read() converts back to the same bits: `100 ms`, `0.7`.
  static std::string write(const T& value);
};

/// As above, for every quantity.
template <Unit U>
struct Codec<Quantity<U>> {
  static std::string type();
  static std::string read(const Node& node, Quantity<U>& value);
  static std::string write(const Quantity<U>& value);
};

/// Codec<T>::write for a deduced type.
template <class T>
std::string format(const T& value) {
  return Codec<T>::write(value);
}

}  // namespace yardmaster::yaml
