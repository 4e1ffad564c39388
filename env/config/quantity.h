// Values with a unit, and how values are read from and written as text.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "env/base/units.h"
#include "env/config/document.h"

namespace yardmaster::yaml {

/// What a quantity measures. Its value is in SI: bytes, 1/s, bytes/s, FLOP/s, W; prices in USD/h.
enum class Unit : std::uint8_t { duration, bytes, rate, bandwidth, flops, power, price };

/// A quantity other than a Duration, in its SI unit.
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

/// How a value of type T is read and written. T: bool, int32_t, int64_t, double, string, Duration
/// or a Quantity.
template <class T>
struct Codec {
  /// What the type is called in messages and in the reference.
  static std::string type();
  /// Reads a scalar; returns what is wrong with it, or nothing.
  static std::string read(const Node& node, T& value);
  /// Text which read() reads back to the same bits: `100 ms`, `0.7`.
  static std::string write(const T& value);
};

/// The same for every quantity.
template <Unit U>
struct Codec<Quantity<U>> {
  static std::string type();
  static std::string read(const Node& node, Quantity<U>& value);
  static std::string write(const Quantity<U>& value);
};

/// A value as the reader reads it back to the same bits: `100 ms`, `0.7`.
template <class T>
std::string format(const T& value) {
  return Codec<T>::write(value);
}

}  // namespace yardmaster::yaml
