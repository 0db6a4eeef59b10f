// Sizes as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace silt::mount {

// "4096", "4K", "256M", "1G", "2T", with or without a final "B" or "iB", in either case; powers of 1024. nullopt for
// anything else, and for what does not fit 64 bits.
std::optional<uint64_t> ParseSize(std::string_view text);

// "0 B", "4.0 KiB", "1.5 GiB".
std::string FormatSize(uint64_t bytes);

}  // namespace silt::mount
