#include "env/config/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <string_view>

namespace yardmaster::yaml {

namespace {

struct UnitWord {
  std::string_view word;
  double factor;  // of the unit in which values are stored
};

constexpr std::array kDurationUnits = {
    UnitWord{"ps", 1e0}, UnitWord{"ns", 1e3},    UnitWord{"us", 1e6},    UnitWord{"ms", 1e9},
    UnitWord{"s", 1e12}, UnitWord{"min", 60e12}, UnitWord{"h", 3600e12}, UnitWord{"d", 86400e12},
};
constexpr std::array kByteUnits = {
    UnitWord{"B", 1.0},
    UnitWord{"KB", 1e3},
    UnitWord{"KiB", 1024.0},
    UnitWord{"MB", 1e6},
    UnitWord{"MiB", 1048576.0},
    UnitWord{"GB", 1e9},
    UnitWord{"GiB", 1073741824.0},
    UnitWord{"TB", 1e12},
    UnitWord{"TiB", 1099511627776.0},
};
constexpr std::array kRateUnits = {UnitWord{"/s", 1.0}, UnitWord{"/min", 1.0 / 60},
                                   UnitWord{"/h", 1.0 / 3600}};
constexpr std::array kBandwidthUnits = {
    UnitWord{"B/s", 1.0},
    UnitWord{"KB/s", 1e3},
    UnitWord{"KiB/s", 1024.0},
    UnitWord{"MB/s", 1e6},
    UnitWord{"MiB/s", 1048576.0},
    UnitWord{"GB/s", 1e9},
    UnitWord{"GiB/s", 1073741824.0},
    UnitWord{"TB/s", 1e12},
    UnitWord{"Mbit/s", 125e3},
    UnitWord{"Gbit/s", 125e6},
};
constexpr std::array kFlopsUnits = {UnitWord{"FLOP/s", 1.0}, UnitWord{"GFLOP/s", 1e9},
                                    UnitWord{"TFLOP/s", 1e12}, UnitWord{"PFLOP/s", 1e15}};
constexpr std::array kPowerUnits = {UnitWord{"W", 1.0}, UnitWord{"kW", 1e3}};
constexpr std::array kPriceUnits = {UnitWord{"USD/h", 1.0}};

std::span<const UnitWord> units_of(Unit unit) {
  switch (unit) {
    case Unit::duration:
      return kDurationUnits;
    case Unit::bytes:
      return kByteUnits;
    case Unit::rate:
      return kRateUnits;
    case Unit::bandwidth:
      return kBandwidthUnits;
    case Unit::flops:
      return kFlopsUnits;
    case Unit::power:
      return kPowerUnits;
    case Unit::price:
      return kPriceUnits;
  }
  return {};
}

std::string_view name_of(Unit unit) {
  constexpr std::array<std::string_view, 7> kNames = {
      "duration", "amount of memory", "rate", "bandwidth", "FLOP rate", "power", "price"};
  return kNames[static_cast<std::size_t>(unit)];
}

std::string_view article_of(Unit unit) { return unit == Unit::bytes ? "an " : "a "; }

std::string unit_list(Unit unit) {
  std::string text;
  for (const UnitWord& u : units_of(unit)) {
    text.append(text.empty() ? "" : ", ").append(u.word);
  }
  return text;
}

/// The shortest digits that read back to the same bits. No exponent where that is readable.
std::string shortest(double value) {
  std::array<char, 64> buffer{};
  char* const last = buffer.data() + buffer.size();
  const bool readable = value == 0 || (std::abs(value) >= 1e-6 && std::abs(value) < 1e16);
  const auto [end, error] =
      readable ? std::to_chars(buffer.data(), last, value, std::chars_format::fixed)
               : std::to_chars(buffer.data(), last, value);
  return {buffer.data(), end};
}

std::string quote(std::string_view text) { return "\"" + std::string(text) + "\""; }

/// Removes a finite number from the start of `text` and returns it.
std::optional<double> leading_number(std::string_view& text) {
  const std::size_t sign = text.starts_with('-') ? 1 : 0;
  if (text.size() <= sign || (text[sign] != '.' && (text[sign] < '0' || text[sign] > '9'))) {
    return std::nullopt;  // from_chars would take "inf" and "nan"
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

struct Parsed {
  double value = 0;   // in the unit in which values are stored; a duration in ps
  std::string error;  // empty on success
  double factor = 1;  // of the unit
};

Parsed parse_quantity(std::string_view text, Unit unit) {
  const std::string whole(text);
  const std::optional<double> number = leading_number(text);
  const std::string units = unit_list(unit);
  if (!number) {
    return {0, quote(whole) + " is not " + std::string(article_of(unit)) +
                   std::string(name_of(unit)) + "; write a number and one of " + units};
  }
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) {
    return {0, quote(whole) + " has no unit; write one of " + units};
  }
  text.remove_prefix(first);
  for (const UnitWord& u : units_of(unit)) {
    if (text == u.word) {
      return {*number * u.factor, {}, u.factor};
    }
  }
  return {0, quote(whole) + " has an unknown unit " + quote(text) + "; write one of " + units};
}

}  // namespace

template <>
std::string Codec<bool>::type() {
  return "true or false";
}

template <>
std::string Codec<bool>::read(const Node& node, bool& value) {
  if (node.scalar != "true" && node.scalar != "false") {
    return "expected true or false, found " + quote(node.scalar);
  }
  value = node.scalar == "true";
  return {};
}

template <>
std::string Codec<bool>::write(const bool& value) {
  return value ? "true" : "false";
}

template <>
std::string Codec<std::int64_t>::type() {
  return "whole number";
}

template <>
std::string Codec<std::int64_t>::read(const Node& node, std::int64_t& value) {
  const char* const end = node.scalar.data() + node.scalar.size();
  if (const auto [at, error] = std::from_chars(node.scalar.data(), end, value);
      !node.quoted && error == std::errc{} && at == end) {
    return {};
  }
  std::string_view rest = node.scalar;
  const std::optional<double> number = leading_number(rest);
  if (node.quoted || !number || !rest.empty()) {
    return "expected a whole number, found " + quote(node.scalar);
  }
  if (*number != std::floor(*number) || std::abs(*number) > 9e15) {
    return node.scalar + " is not a whole number";
  }
  value = static_cast<std::int64_t>(*number);  // 1e6
  return {};
}

template <>
std::string Codec<std::int64_t>::write(const std::int64_t& value) {
  return std::to_string(value);
}

template <>
std::string Codec<std::int32_t>::type() {
  return Codec<std::int64_t>::type();
}

template <>
std::string Codec<std::int32_t>::read(const Node& node, std::int32_t& value) {
  std::int64_t wide = 0;
  std::string error = Codec<std::int64_t>::read(node, wide);
  value = static_cast<std::int32_t>(wide);
  if (error.empty() && value != wide) {
    error = node.scalar + " is too large";
  }
  return error;
}

template <>
std::string Codec<std::int32_t>::write(const std::int32_t& value) {
  return std::to_string(value);
}

template <>
std::string Codec<double>::type() {
  return "number";
}

template <>
std::string Codec<double>::read(const Node& node, double& value) {
  std::string_view rest = node.scalar;
  const std::optional<double> number = leading_number(rest);
  if (node.quoted || !number || !rest.empty()) {
    return "expected a number, found " + quote(node.scalar);
  }
  value = *number;
  return {};
}

template <>
std::string Codec<double>::write(const double& value) {
  return shortest(value);
}

template <>
std::string Codec<std::string>::type() {
  return "text";
}

template <>
std::string Codec<std::string>::read(const Node& node, std::string& value) {
  value = node.scalar;
  return value.empty() ? "expected text, found none" : "";
}

template <>
std::string Codec<std::string>::write(const std::string& value) {
  return value;
}

template <>
std::string Codec<Duration>::type() {
  return "duration";
}

template <>
std::string Codec<Duration>::read(const Node& node, Duration& value) {
  const Parsed parsed = parse_quantity(node.scalar, Unit::duration);
  if (!parsed.error.empty()) {
    return parsed.error;
  }
  if (parsed.value < 0 || parsed.value > static_cast<double>(kLongestDuration.ps)) {
    return node.scalar + " is out of range (expected 0 s to 50 d)";
  }
  value = {static_cast<std::int64_t>(std::floor(parsed.value + 0.5))};
  // A whole number is exact beyond 2^53 ps too.
  std::int64_t whole = 0;
  const char* const last = node.scalar.data() + node.scalar.size();
  if (const auto [end, error] = std::from_chars(node.scalar.data(), last, whole);
      error == std::errc{} && *end != '.' && *end != 'e' && *end != 'E') {
    value = {whole * static_cast<std::int64_t>(parsed.factor)};
  }
  return {};
}

// In the largest unit that reads back to the same picoseconds. Minutes, hours and days are used for
// whole numbers only.
template <>
std::string Codec<Duration>::write(const Duration& value) {
  if (value.ps == 0) {
    return "0 s";
  }
  for (std::size_t i = kDurationUnits.size(); i-- > 0;) {
    const UnitWord& unit = kDurationUnits[i];
    const double number = static_cast<double>(value.ps) / unit.factor;
    const bool suits = unit.factor <= static_cast<double>(kPsPerSecond)
                           ? number >= 1
                           : number == std::floor(number) && number >= (unit.word == "min" ? 2 : 1);
    Node node;
    node.scalar = shortest(number) + " " + std::string(unit.word);
    Duration back;
    if (suits && read(node, back).empty() && back == value) {
      return node.scalar;
    }
  }
  return std::to_string(value.ps) + " ps";
}

template <Unit U>
std::string Codec<Quantity<U>>::type() {
  return std::string(name_of(U));
}

template <Unit U>
std::string Codec<Quantity<U>>::read(const Node& node, Quantity<U>& value) {
  const Parsed parsed = parse_quantity(node.scalar, U);
  if (!parsed.error.empty()) {
    return parsed.error;
  }
  if (!(parsed.value >= 0 && parsed.value < 1e300)) {
    return node.scalar + " is out of range (expected at least 0)";
  }
  value.value = parsed.value;
  return {};
}

// The shortest text, over all units, that reads back to the same bits.
template <Unit U>
std::string Codec<Quantity<U>>::write(const Quantity<U>& value) {
  std::string best;
  for (const UnitWord& u : units_of(U)) {
    const std::string number = shortest(value.value / u.factor);
    double back = 0;
    std::from_chars(number.data(), number.data() + number.size(), back);
    if (back * u.factor == value.value && (best.empty() || number.size() < best.find(' '))) {
      best = number + " " + std::string(u.word);
    }
  }
  return best;  // the unit with factor 1 always reads back
}

template struct Codec<Bytes>;
template struct Codec<PerSecond>;
template struct Codec<BytesPerSecond>;
template struct Codec<FlopPerSecond>;
template struct Codec<Watts>;
template struct Codec<UsdPerHour>;

}  // namespace yardmaster::yaml
