// Requests that are newer than some libfuse that this program is built with: TMPFILE (Linux 6.2, libfuse 3.17) and STATX
// (Linux 6.6, libfuse 3.18). Each begins like an older one that every libfuse decodes, CREATE and GETATTR, and is handed to
// it as that; the operation then asks which it was.
#pragma once

#include <cstdint>
#include <span>

namespace silt::mount {

inline constexpr uint32_t kTmpfileOpcode = 51;
inline constexpr uint32_t kStatxOpcode = 52;

// Puts the older opcode into the request's header, if it is one of these.
void DisguiseNewerRequest(std::span<char> bytes);

}  // namespace silt::mount
