// Bytes for people and for JSON.
#pragma once

#include <string>
#include <string_view>

namespace silt::fs {

// One line of valid UTF-8, whatever the bytes are: control characters, quotes, backslashes and what is no UTF-8 become
// \xNN, so that no two names look the same.
std::string Printable(std::string_view bytes);

}  // namespace silt::fs
