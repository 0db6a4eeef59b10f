// The operations of the metamorphic test, drawn at random, and a model that says what each must give.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/types.h"

namespace silt::lsm::metamorphic {

inline constexpr FamilyId kFamilies = 2;
inline constexpr size_t kSnapshots = 4;
inline constexpr size_t kCursors = 3;
inline constexpr size_t kPins = 4;

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t Below(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(engine_); }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  template <class T>
  T Pick(std::initializer_list<T> choices) {
    return choices.begin()[Below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

enum class Kind {
  kWrite,
  kSync,
  kGet,
  kMultiGet,
  kScan,
  kSnapshot,
  kRelease,
  kCursorOpen,
  kCursorStep,
  kCursorClose,
  kPin,
  kUnpin,
  kBarrier,  // everything held is given back: a configuration may reopen here
};

enum class Step { kFirst, kLast, kSeek, kSeekForPrev, kNext, kPrev };

struct Update {
  EntryKind kind;
  FamilyId family;
  std::string key, value;  // value: the end of a range deletion
};

struct Operation {
  Kind kind = Kind::kBarrier;
  FamilyId family = 0;
  std::vector<Update> updates = {};
  std::vector<std::string> keys = {};  // Get (one), MultiGet, cursor targets
  std::optional<std::string> lower = {}, upper = {};
  size_t slot = 0;                      // of the snapshot, cursor or pin that it makes, moves or drops
  std::optional<size_t> snapshot = {};  // that it reads at
  bool backward = false;
  size_t limit = 0;
  Step step = Step::kFirst;
  uint64_t id = 0;  // its place in the whole sequence
};

// The same seed gives the same operations. They are sound: what they read at, move or drop is held at that time.
// They end with a barrier and a scan of each family both ways.
std::vector<Operation> MakeOperations(uint64_t seed, size_t count);
inline constexpr size_t kClosingOperations = 1 + 2 * kFamilies;
// Without those that, since others were left out, would read at, move or drop what is not held, or take what is.
std::vector<Operation> SoundPart(const std::vector<Operation>& operations);

// ---- What an operation gives, as text ----

std::string Brief(std::string_view bytes);
std::string Pair(std::string_view key, std::string_view value);
std::string Describe(const Operation& operation);

}  // namespace silt::lsm::metamorphic
