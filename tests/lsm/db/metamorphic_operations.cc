#include "tests/lsm/db/metamorphic_operations.h"

#include <fmt/format.h>

#include <utility>

namespace silt::lsm::metamorphic {
namespace {

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed), key_count_(random_.Pick<uint64_t>({20, 300, 2000})) {}

  std::vector<Operation> Make(size_t count) {
    std::vector<Operation> operations;
    for (size_t i = 0; i < count; ++i) operations.push_back(MakeOne());
    operations.push_back({});
    for (FamilyId family = 0; family < kFamilies; ++family) {
      for (bool backward : {false, true}) {
        Operation scan{.kind = Kind::kScan, .family = family};
        scan.backward = backward;
        scan.limit = SIZE_MAX;
        operations.push_back(scan);
      }
    }
    for (size_t i = 0; i < operations.size(); ++i) operations[i].id = i;
    return operations;
  }

 private:
  // Keys of many lengths that share prefixes, with the bytes that trip comparisons and separators.
  std::string Key() {
    uint64_t n = random_.Below(key_count_);
    static const std::string kTails[] = {"",     std::string(1, '\0'), "\xff", "\xff\xff\xff",
                                         "tail", std::string(90, 'k')};
    std::string key = n % 7 == 0 ? fmt::format("{}", n) : fmt::format("dir{:02}/{:05}", n % 13, n);
    return key + kTails[n % 6];
  }
  std::string Bound() { return random_.OneIn(8) ? Key() + "x" : random_.OneIn(20) ? std::string() : Key(); }

  std::string Value() {
    size_t length = random_.OneIn(60)  ? random_.Below(60'000)
                    : random_.OneIn(6) ? random_.Below(2000)
                                       : random_.Below(40);
    std::string value(length, static_cast<char>('a' + random_.Below(26)));
    if (random_.OneIn(2)) {
      for (char& c : value) c = static_cast<char>(random_.Below(256));
    }
    return value;
  }

  Update MakeUpdate() {
    Update update{
        .kind = EntryKind::kPut, .family = static_cast<FamilyId>(random_.Below(kFamilies)), .key = Key(), .value = {}};
    uint64_t dice = random_.Below(20);
    if (dice < 13) {
      update.value = Value();
    } else if (dice < 18) {
      update.kind = EntryKind::kDelete;
    } else {
      update.kind = EntryKind::kRangeDelete;
      update.key = Bound();
      // Mostly short ranges, else nothing would be left.
      update.value =
          random_.OneIn(5) ? Bound() : update.key.substr(0, update.key.size() - !update.key.empty()) + "\xf0";
    }
    return update;
  }

  Operation MakeOne() {
    Operation operation{.kind = Kind::kWrite, .family = static_cast<FamilyId>(random_.Below(kFamilies))};
    uint64_t dice = random_.Below(200);
    if (dice < 90) {
      size_t count = random_.OneIn(30) ? random_.Below(200) : 1 + random_.Below(4);
      for (size_t i = 0; i < count; ++i) operation.updates.push_back(MakeUpdate());
    } else if (dice < 94) {
      operation.kind = Kind::kSync;
    } else if (dice < 130) {
      MakeRead(&operation);
    } else if (dice < 140) {
      MakeSnapshot(&operation);
    } else if (dice < 185) {
      MakeCursor(&operation);
    } else if (dice < 196) {
      operation.slot = random_.Below(kPins);
      operation.kind = pinned_[operation.slot] ? Kind::kUnpin : Kind::kPin;
      pinned_[operation.slot] = !pinned_[operation.slot];
      operation.keys = {Key()};
      operation.snapshot = AnySnapshot();
    } else {
      operation.kind = Kind::kBarrier;
      snapshots_ = {};
      cursors_ = {};
      pinned_ = {};
    }
    return operation;
  }

  void MakeRead(Operation* operation) {
    operation->snapshot = AnySnapshot();
    uint64_t dice = random_.Below(10);
    operation->keys = {Key()};
    operation->kind = Kind::kGet;
    if (dice < 4) return;
    if (dice < 5) {
      operation->kind = Kind::kMultiGet;
      for (uint64_t i = random_.Below(12); i > 0; --i) operation->keys.push_back(Key());
      std::sort(operation->keys.begin(), operation->keys.end());
      return;
    }
    operation->kind = Kind::kScan;
    MakeBounds(operation);
    operation->backward = random_.OneIn(2);
    operation->limit = random_.OneIn(5) ? SIZE_MAX : random_.Below(50);
  }

  void MakeBounds(Operation* operation) {
    if (random_.OneIn(2)) operation->lower = Bound();
    if (random_.OneIn(2)) operation->upper = Bound();
  }

  void MakeSnapshot(Operation* operation) {
    operation->slot = random_.Below(kSnapshots);
    operation->kind = snapshots_[operation->slot] ? Kind::kRelease : Kind::kSnapshot;
    snapshots_[operation->slot] = !snapshots_[operation->slot];
  }

  // A cursor sees the moment at which it was opened, however long it lives. One that reads at a snapshot keeps its own
  // copy of that moment in the model, so releasing the snapshot first would be the test's mistake: it takes none.
  void MakeCursor(Operation* operation) {
    operation->slot = random_.Below(kCursors);
    bool open = cursors_[operation->slot];
    if (!open) {
      operation->kind = Kind::kCursorOpen;
      MakeBounds(operation);
    } else if (random_.OneIn(12)) {
      operation->kind = Kind::kCursorClose;
    } else {
      operation->kind = Kind::kCursorStep;
      uint64_t dice = random_.Below(12);
      operation->step = dice < 4   ? Step::kNext
                        : dice < 8 ? Step::kPrev
                        : dice < 9 ? random_.Pick({Step::kFirst, Step::kLast})
                                   : random_.Pick({Step::kSeek, Step::kSeekForPrev});
      operation->limit = 1 + random_.Below(6);
      operation->keys = {Bound()};
      return;
    }
    cursors_[operation->slot] = !open;
  }

  std::optional<size_t> AnySnapshot() {
    size_t slot = random_.Below(kSnapshots + 2);
    return slot < kSnapshots && snapshots_[slot] ? std::optional(slot) : std::nullopt;
  }

  Random random_;
  uint64_t key_count_;
  std::array<bool, kSnapshots> snapshots_{};
  std::array<bool, kCursors> cursors_{};
  std::array<bool, kPins> pinned_{};
};

}  // namespace

std::vector<Operation> MakeOperations(uint64_t seed, size_t count) {
  return Generator(seed).Make(count);
}

std::vector<Operation> SoundPart(const std::vector<Operation>& operations) {
  std::array<bool, kSnapshots> snapshots{};
  std::array<bool, kCursors> cursors{};
  std::array<bool, kPins> pins{};
  // Whether the slot is as the operation needs it, and then as it leaves it.
  auto turn = [](bool* held, bool from, bool to) { return std::exchange(*held, *held == from ? to : *held) == from; };
  auto fits = [&](const Operation& operation) {
    if (operation.snapshot && !snapshots[*operation.snapshot]) return false;
    switch (operation.kind) {
      case Kind::kSnapshot:
        return turn(&snapshots[operation.slot], false, true);
      case Kind::kRelease:
        return turn(&snapshots[operation.slot], true, false);
      case Kind::kCursorOpen:
        return turn(&cursors[operation.slot], false, true);
      case Kind::kCursorStep:
        return cursors[operation.slot];
      case Kind::kCursorClose:
        return turn(&cursors[operation.slot], true, false);
      case Kind::kPin:
        return turn(&pins[operation.slot], false, true);
      case Kind::kUnpin:
        return turn(&pins[operation.slot], true, false);
      case Kind::kBarrier:
        snapshots = {};
        cursors = {};
        pins = {};
        return true;
      default:
        return true;
    }
  };
  std::vector<Operation> sound;
  for (const Operation& operation : operations) {
    if (fits(operation)) sound.push_back(operation);
  }
  return sound;
}

std::string Brief(std::string_view bytes) {
  std::string out;
  for (char c : bytes.substr(0, 24)) {
    bool plain = c > 0x20 && c < 0x7f;
    out += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
  }
  return fmt::format("{}{}#{}/{:x}", out, bytes.size() > 24 ? "..." : "", bytes.size(),
                     std::hash<std::string_view>{}(bytes));
}

std::string Pair(std::string_view key, std::string_view value) {
  return Brief(key) + "=" + Brief(value) + " ";
}

std::string Describe(const Operation& operation) {
  static constexpr const char* kNames[] = {"write",    "sync",    "get",         "multiget",    "scan",
                                           "snapshot", "release", "cursor open", "cursor step", "cursor close",
                                           "pin",      "unpin",   "barrier"};
  std::string text =
      fmt::format("{} family {} slot {}", kNames[static_cast<int>(operation.kind)], operation.family, operation.slot);
  if (operation.snapshot) text += fmt::format(" at snapshot {}", *operation.snapshot);
  for (const Update& update : operation.updates) {
    static constexpr const char* kKinds[] = {"delete", "put", "delete range"};
    text += fmt::format("; {} {} {} {}", kKinds[static_cast<int>(update.kind)], update.family, Brief(update.key),
                        update.kind == EntryKind::kDelete ? "" : Brief(update.value));
  }
  for (const auto& key : operation.keys) text += " key " + Brief(key);
  if (operation.lower) text += " from " + Brief(*operation.lower);
  if (operation.upper) text += " to " + Brief(*operation.upper);
  if (operation.kind == Kind::kScan) text += operation.backward ? " backward" : " forward";
  if (operation.kind == Kind::kCursorStep)
    text += fmt::format(" step {} x{}", static_cast<int>(operation.step), operation.limit);
  return text;
}

}  // namespace silt::lsm::metamorphic
