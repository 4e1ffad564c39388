#include "policies/knob.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "env/config/suggestion.h"

namespace yardmaster {

namespace {

std::string number(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

double parse(const std::string& policy, std::string_view knob, std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || at != end || error != std::errc{} || !std::isfinite(value)) {
    throw PolicyFault(policy + ": " + std::string(knob) + ": \"" + std::string(text) +
                      "\" is not a number");
  }
  return value;
}

}  // namespace

Knobs::Knobs(std::string_view text) {
  const std::size_t colon = text.find(':');
  policy_ = text.substr(0, colon);
  for (std::size_t from = colon; from != std::string_view::npos;) {
    const std::size_t comma = text.find(',', from + 1);
    const std::string_view part = text.substr(from + 1, comma - from - 1);
    const std::size_t equals = part.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
      throw PolicyFault(policy_ + ": \"" + std::string(part) + "\" sets no knob (expected " +
                        policy_ + ":KNOB=VALUE,KNOB=VALUE)");
    }
    const std::string name(part.substr(0, equals));
    if (std::any_of(set_.begin(), set_.end(), [&](const auto& s) { return s.first == name; })) {
      throw PolicyFault(policy_ + ": " + name + " is set twice");
    }
    set_.emplace_back(name, parse(policy_, name, part.substr(equals + 1)));
    from = comma;
  }
}

double Knobs::get(const Knob& knob) {
  declared_.push_back(knob);
  const auto set =
      std::find_if(set_.begin(), set_.end(), [&](const auto& s) { return s.first == knob.name; });
  if (set == set_.end()) {
    return knob.value;
  }
  if (!(set->second >= knob.min && set->second <= knob.max)) {
    throw PolicyFault(policy_ + ": " + set->first + ": " + number(set->second) +
                      " is out of range (expected " + number(knob.min) + " to " + number(knob.max) +
                      ")");
  }
  return set->second;
}

std::int32_t Knobs::whole(const Knob& knob) {
  const double value = get(knob);
  if (value != std::floor(value)) {
    throw PolicyFault(policy_ + ": " + std::string(knob.name) + ": " + number(value) +
                      " is not a whole number");
  }
  return static_cast<std::int32_t>(value);
}

void Knobs::finish() const {
  std::vector<std::string> known;
  known.reserve(declared_.size());
  for (const Knob& knob : declared_) {
    known.emplace_back(knob.name);
  }
  for (const auto& [name, value] : set_) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw PolicyFault(
          policy_ + ": unknown knob \"" + name + "\"" +
          (known.empty() ? " (" + policy_ + " has none)" : yaml::did_you_mean(name, known)));
    }
  }
}

}  // namespace yardmaster
