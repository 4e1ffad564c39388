// Knobs: the numbers of a policy that its user may set, as in `marginal_cost:k=0.7`.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yardmaster {

/// A fault in the text of a policy: an unknown name or knob, or a value that is not allowed.
class PolicyFault : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// One number that the user of a policy may set.
struct Knob {
  std::string_view name;
  double value = 0;  // unless it is set
  double min = 0;
  double max = 0;  // allowed, as min is
  std::string_view doc;
};

/// What the text of a policy sets. A policy reads its knobs in its constructor; reading a knob
/// declares it, so that it can be listed.
class Knobs {
 public:
  /// Nothing is set.
  Knobs() = default;
  /// `text` is NAME or NAME:KNOB=VALUE,KNOB=VALUE. Throws PolicyFault if it is neither.
  explicit Knobs(std::string_view text);

  /// The name of the policy.
  [[nodiscard]] const std::string& policy() const { return policy_; }
  /// The value of a knob. Throws PolicyFault if it is outside the knob's range.
  double get(const Knob& knob);
  /// The same for a count. Throws PolicyFault if the value is not a whole number.
  std::int32_t whole(const Knob& knob);
  /// The knobs that have been read, in that order.
  [[nodiscard]] const std::vector<Knob>& declared() const { return declared_; }
  /// Throws PolicyFault if a knob is set that has not been read.
  void finish() const;

 private:
  std::string policy_;
  std::vector<std::pair<std::string, double>> set_;
  std::vector<Knob> declared_;
};

}  // namespace yardmaster
