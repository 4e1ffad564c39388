#include "env/base/digest.h"

namespace yardmaster {

void FactLog::tell(const Record& fact) {
  if (sink_ != nullptr) {
    sink_->on_fact(fact.fact, fact.at, fact.node, fact.when);
  } else {
    unheard_.push_back(fact);
  }
}

}  // namespace yardmaster
