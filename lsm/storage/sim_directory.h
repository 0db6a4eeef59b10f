// Directories of the simulated disk: which names are there now, and which after a power cut. Part of SimStorage.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lsm/storage/sim_contents.h"

namespace silt::lsm {

struct SimNode;
using SimNodeRef = std::shared_ptr<SimNode>;

// Whether a change that two directories share (a rename between them) survives: asked by both, answered once.
using SimSharedFates = std::map<uint64_t, bool>;

// Not thread-safe: guarded by the disk.
class SimDirectory {
 public:
  using Entries = std::map<std::string, SimNodeRef>;
  struct EntryChange {
    std::string name;
    SimNodeRef node;  // null: the name goes
  };

  const Entries& live() const { return live_; }
  SimNodeRef Find(const std::string& name) const;

  // One atomic change of one or two names.
  void Apply(std::vector<EntryChange> entries);
  // A rename between directories: this one's part. `id` is unique; `target`, in the directory that loses the name, is
  // the one that gets it.
  void ApplyShared(EntryChange entry, uint64_t id, const SimNodeRef& target);
  void Sync();

  // The names that a power cut leaves.
  Entries AfterCrash(std::mt19937_64& random, const SimCrashOptions& options, SimSharedFates* fates) const;
  static SimDirectory Durable(Entries entries);

 private:
  struct Change {
    std::vector<EntryChange> entries{};
    uint64_t shared_id = 0;           // not 0: of a rename between directories
    std::weak_ptr<SimNode> target{};  // weak: two directories may wait for each other
  };
  static void ApplyTo(Entries* entries, const Change& change);
  void Record(Change change);
  void SyncThrough(uint64_t shared_id);

  Entries live_;
  Entries durable_;
  std::vector<Change> changes_;  // since the last sync
};

// A file or a directory.
struct SimNode {
  bool is_directory = false;
  uint64_t links = 0;  // live names of a file
  SimContents contents;
  SimDirectory directory;
};

// The tree that a power cut leaves; hard links stay hard links.
SimNodeRef CopyAfterCrash(const SimNodeRef& root, std::mt19937_64& random, const SimCrashOptions& options);

}  // namespace silt::lsm
