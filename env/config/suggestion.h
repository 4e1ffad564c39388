// Suggestions for misspelt words.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace yardmaster::yaml {

/// The known word nearest to a misspelt one. Empty if none is near.
std::string nearest(std::string_view word, std::span<const std::string> known);
/// The end of a message about an unknown word: `; did you mean "x"? (known: x, y, z)`.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace yardmaster::yaml
