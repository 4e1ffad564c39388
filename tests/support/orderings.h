// Orderings for worlds of tests, which borrow them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "policies/policy.h"

namespace yardmaster {

/// The ordering of that name, with default knobs. Throws std::out_of_range when there is none.
inline const OrderingPolicy* find_ordering(const std::string& name) {
  static const auto all = [] {
    std::map<std::string, std::unique_ptr<const OrderingPolicy>> made;
    for (const OrderingEntry& entry : ordering_table()) {
      made.emplace(entry.name, make_ordering(entry.name));
    }
    return made;
  }();
  return all.at(name).get();
}

}  // namespace yardmaster
