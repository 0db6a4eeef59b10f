#include "lsm/storage/sim_directory.h"

#include <algorithm>
#include <unordered_map>

namespace silt::lsm {

SimNodeRef SimDirectory::Find(const std::string& name) const {
  auto at = live_.find(name);
  return at == live_.end() ? nullptr : at->second;
}

void SimDirectory::ApplyTo(Entries* entries, const Change& change) {
  for (const EntryChange& entry : change.entries) {
    if (entry.node) {
      entries->insert_or_assign(entry.name, entry.node);
    } else {
      entries->erase(entry.name);
    }
  }
}

void SimDirectory::Record(Change change) {
  ApplyTo(&live_, change);
  changes_.push_back(std::move(change));
}

void SimDirectory::Apply(std::vector<EntryChange> entries) {
  Record({.entries = std::move(entries)});
}

void SimDirectory::ApplyShared(EntryChange entry, uint64_t id, const SimNodeRef& target) {
  Record({.entries = {std::move(entry)}, .shared_id = id, .target = target});
}

void SimDirectory::Sync() {
  // A name must not be gone for good before the other one is there for good.
  for (const Change& change : changes_) {
    if (SimNodeRef target = change.target.lock()) target->directory.SyncThrough(change.shared_id);
  }
  durable_ = live_;
  changes_.clear();
}

void SimDirectory::SyncThrough(uint64_t shared_id) {
  auto last = std::find_if(changes_.begin(), changes_.end(),
                           [&](const Change& change) { return change.shared_id == shared_id; });
  if (last == changes_.end()) return;
  ++last;
  for (auto change = changes_.begin(); change != last; ++change) ApplyTo(&durable_, *change);
  changes_.erase(changes_.begin(), last);
}

SimDirectory::Entries SimDirectory::AfterCrash(std::mt19937_64& random, const SimCrashOptions& options,
                                               SimSharedFates* fates) const {
  Entries entries = durable_;
  const double keep = DrawKeepProbability(random, options.names);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (const Change& change : changes_) {
    bool kept = uniform(random) < keep;
    if (change.shared_id != 0) kept = fates->try_emplace(change.shared_id, kept).first->second;
    if (kept) ApplyTo(&entries, change);
  }
  return entries;
}

SimDirectory SimDirectory::Durable(Entries entries) {
  SimDirectory directory;
  directory.live_ = entries;
  directory.durable_ = std::move(entries);
  return directory;
}

namespace {

class CrashCopier {
 public:
  CrashCopier(std::mt19937_64& random, const SimCrashOptions& options) : random_(random), options_(options) {}

  SimNodeRef Copy(const SimNodeRef& node) {
    SimNodeRef& result = copies_[node.get()];
    if (result) return result;
    result = std::make_shared<SimNode>();
    result->is_directory = node->is_directory;
    if (!node->is_directory) {
      result->contents = node->contents.AfterCrash(random_, options_);
      return result;
    }
    SimDirectory::Entries entries = node->directory.AfterCrash(random_, options_, &fates_);
    for (auto& [name, child] : entries) {
      child = Copy(child);
      ++child->links;
    }
    result->directory = SimDirectory::Durable(std::move(entries));
    return result;
  }

 private:
  std::mt19937_64& random_;
  const SimCrashOptions& options_;
  std::unordered_map<const SimNode*, SimNodeRef> copies_;
  SimSharedFates fates_;
};

}  // namespace

SimNodeRef CopyAfterCrash(const SimNodeRef& root, std::mt19937_64& random, const SimCrashOptions& options) {
  return CrashCopier(random, options).Copy(root);
}

}  // namespace silt::lsm
