// What a misspelt word was meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace yardmaster::yaml {

/// The known word nearest to a misspelt one; empty when none is near.
std::string nearest(std::string_view word, std::span<const std::string> known);
/// `; did you mean "x"? (known: x, y, z)`, to end a message about an unknown word.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace yardmaster::yaml
