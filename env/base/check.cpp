#include "env/base/check.h"

#include <string>

namespace yardmaster {

void check_failed(const char* message, std::source_location where) {
  throw InternalFault("internal fault at " + std::string(where.file_name()) + ":" +
                      std::to_string(where.line()) + " (" + where.function_name() +
                      "): " + message);
}

}  // namespace yardmaster
