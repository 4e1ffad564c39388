#include "env/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace yardmaster {

void check_failed(const char* message, std::source_location where) {
  std::fprintf(stderr, "yardmaster: internal fault at %s:%u (%s): %s\n", where.file_name(),
               static_cast<unsigned>(where.line()), where.function_name(), message);
  std::abort();
}

}  // namespace yardmaster
