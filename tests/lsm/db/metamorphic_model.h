// What the engine must answer: a sorted map for each moment.
#pragma once

#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/lsm/db/metamorphic_operations.h"

namespace silt::lsm::metamorphic {

using Map = std::map<std::string, std::string, std::less<>>;
using Moment = std::shared_ptr<const std::array<Map, kFamilies>>;

class Model {
 public:
  std::string Apply(const Operation& operation) {
    switch (operation.kind) {
      case Kind::kWrite:
        return Write(operation);
      case Kind::kGet:
        return Get(operation, operation.keys[0]);
      case Kind::kMultiGet: {
        std::string all;
        for (const auto& key : operation.keys) all += Get(operation, key) + " ";
        return all;
      }
      case Kind::kScan:
        return Scan(operation);
      case Kind::kSnapshot:
        snapshots_[operation.slot] = now_;
        break;
      case Kind::kRelease:
        snapshots_[operation.slot] = nullptr;
        break;
      case Kind::kCursorOpen:
        cursors_[operation.slot] = {.moment = now_, .map = Bounded((*now_)[operation.family], operation), .at = {}};
        break;
      case Kind::kCursorStep:
        return MoveCursor(operation);
      case Kind::kPin:
        pins_[operation.slot] = Get(operation, operation.keys[0]);
        return pins_[operation.slot];
      case Kind::kUnpin:
        return pins_[operation.slot];
      default:
        break;
    }
    return {};
  }

 private:
  struct Cursor {
    Moment moment;
    Map map;
    std::optional<std::string> at;
  };

  const Map& At(const Operation& operation) {
    return (*(operation.snapshot ? snapshots_[*operation.snapshot] : now_))[operation.family];
  }

  static Map Bounded(const Map& map, const Operation& operation) {
    Map out;
    for (const auto& [key, value] : map) {
      if ((!operation.lower || key >= *operation.lower) && (!operation.upper || key < *operation.upper))
        out[key] = value;
    }
    return out;
  }

  std::string Write(const Operation& operation) {
    auto next = std::make_shared<std::array<Map, kFamilies>>(*now_);
    for (const Update& update : operation.updates) {
      Map& map = (*next)[update.family];
      if (update.kind == EntryKind::kPut) map[update.key] = update.value;
      if (update.kind == EntryKind::kDelete) map.erase(update.key);
      if (update.kind == EntryKind::kRangeDelete && update.key < update.value) {
        map.erase(map.lower_bound(update.key), map.lower_bound(update.value));
      }
    }
    now_ = next;
    return {};
  }

  std::string Get(const Operation& operation, const std::string& key) {
    const Map& map = At(operation);
    auto found = map.find(key);
    return found == map.end() ? "none" : Brief(found->second);
  }

  std::string Scan(const Operation& operation) {
    Map map = Bounded(At(operation), operation);
    std::string out;
    size_t left = operation.limit;
    if (operation.backward) {
      for (auto at = map.rbegin(); at != map.rend() && left-- > 0; ++at) out += Pair(at->first, at->second);
    } else {
      for (auto at = map.begin(); at != map.end() && left-- > 0; ++at) out += Pair(at->first, at->second);
    }
    return out;
  }

  std::string MoveCursor(const Operation& operation) {
    Cursor& cursor = cursors_[operation.slot];
    std::string out;
    for (size_t i = 0; i < operation.limit; ++i) {
      MoveOnce(operation, &cursor);
      out += cursor.at ? Pair(*cursor.at, cursor.map[*cursor.at]) : "end ";
      if (operation.step != Step::kNext && operation.step != Step::kPrev) break;
    }
    return out;
  }

  static void MoveOnce(const Operation& operation, Cursor* cursor) {
    const Map& map = cursor->map;
    auto forward = [&](Map::const_iterator at) {
      cursor->at = at == map.end() ? std::nullopt : std::optional(at->first);
    };
    auto before = [&](Map::const_iterator at) {
      cursor->at = at == map.begin() ? std::nullopt : std::optional(std::prev(at)->first);
    };
    switch (operation.step) {
      case Step::kFirst:
        return forward(map.begin());
      case Step::kLast:
        return before(map.end());
      case Step::kSeek:
        return forward(map.lower_bound(operation.keys[0]));
      case Step::kSeekForPrev:
        return before(map.upper_bound(operation.keys[0]));
      // Neither may be called on an iterator that is not valid: it goes to an end instead.
      case Step::kNext:
        return forward(cursor->at ? map.upper_bound(*cursor->at) : map.begin());
      case Step::kPrev:
        return before(cursor->at ? map.lower_bound(*cursor->at) : map.end());
    }
  }

  Moment now_ = std::make_shared<std::array<Map, kFamilies>>();
  Moment snapshots_[kSnapshots];
  Cursor cursors_[kCursors];
  std::string pins_[kPins];
};

}  // namespace silt::lsm::metamorphic
