#include "env/base/digest.h"

namespace yardmaster {

void FactLog::forward(const Record& fact) {
  if (sink_ != nullptr) {
    sink_->on_fact(fact.fact, fact.at, fact.node, fact.when);
  } else {
    pending_.push_back(fact);
  }
}

}  // namespace yardmaster
