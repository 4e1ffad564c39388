#include "env/node/settings.h"

#include <charconv>

namespace yardmaster {

std::optional<EngineRules> rules_of_vllm(std::string_view version) {
  const std::size_t dot = version.find('.');
  int major = -1, minor = -1;
  const char* end = version.data() + version.size();
  std::from_chars(version.data(), end, major);
  if (dot != std::string_view::npos) {
    std::from_chars(version.data() + dot + 1, end, minor);
  }
  if (major != 0 || (minor != 19 && minor < 30)) {
    return std::nullopt;
  }
  EngineRules rules;
  rules.cap_binds_lone_request = minor <= 30;
  rules.freed_blocks_to_back = minor == 19;
  rules.knows_watermark = minor >= 30;
  return rules;
}

}  // namespace yardmaster
