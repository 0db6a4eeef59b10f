#include "mount/size.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <limits>

namespace silt::mount {
namespace {

constexpr std::string_view kPrefixes = "KMGTPE";

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) != std::tolower(static_cast<unsigned char>(b[i]))) return false;
  }
  return true;
}

// The power of two that a unit stands for.
std::optional<int> ShiftOf(std::string_view unit) {
  if (unit.empty() || EqualsIgnoreCase(unit, "b")) return 0;
  size_t prefix = kPrefixes.find(static_cast<char>(std::toupper(static_cast<unsigned char>(unit[0]))));
  if (prefix == std::string_view::npos) return std::nullopt;
  std::string_view rest = unit.substr(1);
  if (!rest.empty() && !EqualsIgnoreCase(rest, "b") && !EqualsIgnoreCase(rest, "ib")) return std::nullopt;
  return static_cast<int>(prefix + 1) * 10;
}

}  // namespace

std::optional<uint64_t> ParseSize(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  std::optional<int> shift = ShiftOf(text.substr(static_cast<size_t>(end - text.data())));
  if (!shift || number > std::numeric_limits<uint64_t>::max() >> *shift) return std::nullopt;
  return number << *shift;
}

std::string FormatSize(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (value /= 1024; value >= 1024 && unit + 1 < kPrefixes.size(); value /= 1024) ++unit;
  return fmt::format("{:.1f} {}iB", value, kPrefixes[unit]);
}

}  // namespace silt::mount
