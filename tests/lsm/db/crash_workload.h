// A workload whose every batch can be recognised afterwards, and the check that a store found after a power cut holds
// a prefix of it.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lsm/db.h"
#include "lsm/storage/sim_storage.h"
#include "tests/lsm/db/db_fixture.h"

namespace silt::lsm {

// Batch number n (from 1) puts n under "counter" in both families, and changes some other keys.
class CrashWorkload {
 public:
  struct Update {
    EntryKind kind;
    FamilyId family;
    std::string key, value;  // value: the end of a range deletion
  };
  using State = std::map<std::pair<FamilyId, std::string>, std::string>;

  CrashWorkload(uint64_t seed, size_t batches, size_t value_bytes) {
    std::mt19937_64 random(seed);
    auto below = [&](uint64_t n) { return random() % n; };
    auto key = [&] { return fmt::format("k{:03}", below(60)); };
    for (size_t n = 1; n <= batches; ++n) {
      std::vector<Update> batch;
      for (FamilyId family : {0, 1}) batch.push_back({EntryKind::kPut, family, "counter", std::to_string(n)});
      for (uint64_t i = below(5); i > 0; --i) {
        auto family = static_cast<FamilyId>(below(2));
        std::string a = key();
        switch (below(8)) {
          case 0:
            batch.push_back({EntryKind::kDelete, family, a, ""});
            break;
          case 1: {
            std::string b = key();
            if (a < b) batch.push_back({EntryKind::kRangeDelete, family, a, b});
            break;
          }
          default:
            batch.push_back(
                {EntryKind::kPut, family, a, fmt::format("{}:{}", n, std::string(below(value_bytes), 'v'))});
        }
      }
      batches_.push_back(std::move(batch));
    }
  }

  size_t size() const { return batches_.size(); }

  WriteBatch Batch(size_t n) const {
    WriteBatch out;
    for (const Update& u : batches_[n - 1]) {
      if (u.kind == EntryKind::kPut) out.Put(u.family, u.key, u.value);
      if (u.kind == EntryKind::kDelete) out.Delete(u.family, u.key);
      if (u.kind == EntryKind::kRangeDelete) out.DeleteRange(u.family, u.key, u.value);
    }
    return out;
  }

  State After(size_t n) const {
    State state;
    for (size_t i = 0; i < n; ++i) {
      for (const Update& u : batches_[i]) {
        if (u.kind == EntryKind::kPut) state[{u.family, u.key}] = u.value;
        if (u.kind == EntryKind::kDelete) state.erase({u.family, u.key});
        if (u.kind == EntryKind::kRangeDelete) {
          state.erase(state.lower_bound({u.family, u.key}), state.lower_bound({u.family, u.value}));
        }
      }
    }
    return state;
  }

 private:
  std::vector<std::vector<Update>> batches_;
};

struct CrashTrace {
  size_t attempted = 0;
  size_t acknowledged = 0;
  size_t synced = 0;
};

// Runs until the end or until a write fails.
inline CrashTrace RunWorkload(Db* db, const CrashWorkload& workload, size_t from = 1) {
  CrashTrace trace{from - 1, from - 1, from - 1};
  for (size_t n = from; n <= workload.size(); ++n) {
    trace.attempted = n;
    SequenceNumber sequence = 0;
    if (!db->Write({}, workload.Batch(n), &sequence).ok()) break;
    trace.acknowledged = n;
    if (n % 4 == 0 && db->Sync(sequence).ok()) trace.synced = n;
    if (n % 23 == 0 && db->Flush().ok()) trace.synced = n;
    if (n % 31 == 0) static_cast<void>(db->CompactRange(0, nullptr, nullptr));
  }
  return trace;
}

// Empty when the store holds the state after some batch in [least, most], else what is wrong. `*found`: which batch.
inline std::string CheckPrefix(Db* db, const CrashWorkload& workload, size_t least, size_t most, size_t* found) {
  PinnedValue counter;
  Status status = db->Get({}, 0, "counter", &counter);
  if (!status.ok() && !status.IsNotFound()) return status.ToString();
  size_t n = status.ok() ? std::stoul(std::string(counter.view())) : 0;
  *found = n;
  if (n < least) return fmt::format("batch {} was durable, but only {} are there", least, n);
  if (n > most) return fmt::format("batch {} is there, but only {} were written", n, most);
  CrashWorkload::State state;
  for (FamilyId family : {0, 1}) {
    auto it = db->NewIterator({}, family);
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      state[{family, std::string(it->key())}] = std::string(it->value());
    }
    if (!it->status().ok()) return it->status().ToString();
  }
  return state == workload.After(n) ? "" : fmt::format("not the state after batch {}", n);
}

}  // namespace silt::lsm
