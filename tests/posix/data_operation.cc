#include "tests/posix/data_operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <random>

namespace silt::posix {
namespace {

struct ActionInfo {
  DataAction action;
  std::string_view name;
  std::string_view fields;  // o offset, l length, t target, s seed: in this order in the text
  int weight;               // how often it is generated
};

constexpr std::array<ActionInfo, 33> kActions = {{
    {DataAction::kRead, "read", "ol", 80},
    {DataAction::kVectorRead, "vector-read", "ol", 30},
    {DataAction::kDirectRead, "direct-read", "ol", 50},
    {DataAction::kMapRead, "map-read", "ol", 60},
    {DataAction::kNewMapRead, "new-map-read", "ol", 20},
    {DataAction::kSendRead, "send-read", "ol", 20},
    {DataAction::kWrite, "write", "ols", 100},
    {DataAction::kVectorWrite, "vector-write", "ols", 30},
    {DataAction::kDirectWrite, "direct-write", "ols", 50},
    {DataAction::kSyncWrite, "sync-write", "ols", 10},
    {DataAction::kOpenSyncWrite, "open-sync-write", "ols", 10},
    {DataAction::kMapWrite, "map-write", "ols", 60},
    {DataAction::kMapTail, "map-tail", "s", 0},
    {DataAction::kAppend, "append", "ls", 30},
    {DataAction::kDirectAppend, "direct-append", "ls", 10},
    {DataAction::kSpliceWrite, "splice-write", "ols", 15},
    {DataAction::kTruncate, "truncate", "o", 60},
    {DataAction::kAllocate, "allocate", "ol", 20},
    {DataAction::kAllocateKeep, "allocate-keep", "ol", 20},
    {DataAction::kPunch, "punch", "ol", 40},
    {DataAction::kZero, "zero", "ol", 20},
    {DataAction::kZeroKeep, "zero-keep", "ol", 20},
    {DataAction::kCopy, "copy", "olt", 40},
    {DataAction::kFsync, "fsync", "", 8},
    {DataAction::kFdatasync, "fdatasync", "", 4},
    {DataAction::kMsync, "msync", "", 8},
    {DataAction::kDropCache, "drop-cache", "", 12},
    {DataAction::kReopen, "reopen", "", 12},
    {DataAction::kSeekData, "seek-data", "o", 20},
    {DataAction::kSeekHole, "seek-hole", "o", 20},
    {DataAction::kVerify, "verify", "", 12},
    {DataAction::kRemount, "remount", "", 0},
    {DataAction::kKill, "kill", "", 0},
}};

const ActionInfo& InfoOf(DataAction action) {
  return *std::find_if(kActions.begin(), kActions.end(), [&](const ActionInfo& info) { return info.action == action; });
}

uint64_t* Field(DataOperation* operation, char field) {
  switch (field) {
    case 'o':
      return &operation->offset;
    case 'l':
      return &operation->length;
    case 't':
      return &operation->target;
    default:
      return &operation->seed;
  }
}

int WeightOf(const ActionInfo& info, const DataGeneration& how) {
  switch (info.action) {
    case DataAction::kMapTail:
      return how.map_tail ? 20 : 0;
    case DataAction::kRemount:
    case DataAction::kKill:
      return how.remounts ? 1 : 0;
    default:
      return info.weight;
  }
}

class Generator {
 public:
  explicit Generator(const DataGeneration& how) : how_(how), random_(how.seed) {
    std::vector<int> weights;
    for (const ActionInfo& info : kActions) weights.push_back(WeightOf(info, how));
    actions_ = std::discrete_distribution<size_t>(weights.begin(), weights.end());
  }

  DataOperation Next() {
    const ActionInfo& info = kActions[actions_(random_)];
    DataOperation operation{.action = info.action};
    for (char field : info.fields) *Field(&operation, field) = Value(field);
    // What is appended must not make the file outgrow its limit soon.
    if (info.fields == "ls") operation.length = operation.length % 5000 + 1;
    operation.length = std::min(operation.length, how_.max_size - std::max(operation.offset, operation.target));
    return operation;
  }

 private:
  uint64_t Below(uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }

  uint64_t Value(char field) {
    if (field == 's') return random_() % 1'000'000;
    return field == 'l' ? Length() : Offset();
  }

  // Near and on edges of blocks more often than not, and more in the front than in the back.
  uint64_t Offset() {
    uint64_t limit = Below(3) == 0 ? how_.max_size : how_.max_size / 4;
    uint64_t offset = Below(limit);
    switch (Below(4)) {
      case 0:
        return offset / 4096 * 4096;
      case 1:
        return std::min(how_.max_size - 1, offset / 4096 * 4096 + Below(3) + 4095);
      default:
        return offset;
    }
  }

  uint64_t Length() {
    switch (Below(8)) {
      case 0:
        return Below(16) + 1;
      case 1:
        return 4096;
      case 2:
        return 4096 * (Below(16) + 1);
      case 3:
        return Below(how_.max_size / 2) + 1;
      default:
        return Below(12000) + 1;
    }
  }

  const DataGeneration how_;
  std::mt19937_64 random_;
  std::discrete_distribution<size_t> actions_;
};

}  // namespace

std::string Format(const DataOperation& operation) {
  const ActionInfo& info = InfoOf(operation.action);
  std::string line(info.name);
  DataOperation copy = operation;
  for (char field : info.fields) line += fmt::format(" {}", *Field(&copy, field));
  return line;
}

std::optional<DataOperation> ParseDataOperation(std::string_view line) {
  std::string_view name = line.substr(0, line.find(' '));
  line.remove_prefix(name.size());
  const auto* info =
      std::find_if(kActions.begin(), kActions.end(), [&](const ActionInfo& i) { return i.name == name; });
  if (info == kActions.end()) return std::nullopt;
  DataOperation operation{.action = info->action};
  for (char field : info->fields) {
    while (line.starts_with(' ')) line.remove_prefix(1);
    auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), *Field(&operation, field));
    if (error != std::errc()) return std::nullopt;
    line.remove_prefix(static_cast<size_t>(end - line.data()));
  }
  if (!line.empty()) return std::nullopt;
  return operation;
}

std::vector<DataOperation> GenerateDataOperations(const DataGeneration& how) {
  Generator generator(how);
  std::vector<DataOperation> operations;
  operations.reserve(how.count);
  while (operations.size() < how.count) operations.push_back(generator.Next());
  return operations;
}

std::string DataBytes(uint64_t seed, size_t length) {
  if (seed % 16 == 0) return std::string(length, '\0');
  if (seed % 16 == 1) return std::string(length, static_cast<char>('a' + seed / 16 % 26));
  std::string bytes(length, '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  for (size_t at = 0; at < length; at += sizeof state) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;  // xorshift64 (Marsaglia)
    std::memcpy(bytes.data() + at, &state, std::min(sizeof state, length - at));
  }
  return bytes;
}

}  // namespace silt::posix
