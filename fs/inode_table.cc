#include "fs/inode_table.h"

#include <algorithm>

#include "fs/lock_order.h"

namespace silt::fs {

LockedInode::LockedInode(std::shared_ptr<InodeState> state, LockMode mode, bool directory)
    : state_(std::move(state)), mode_(mode), directory_(directory) {
  lock_order::Acquire({directory_ ? lock_order::kDirectory : lock_order::kFile, state_->ino});
  if (mode_ == LockMode::kExclusive) {
    state_->mutex.lock();
  } else {
    state_->mutex.lock_shared();
  }
}

LockedInode::LockedInode(LockedInode&& other) noexcept {
  *this = std::move(other);
}

LockedInode& LockedInode::operator=(LockedInode&& other) noexcept {
  if (this == &other) return *this;
  Release();
  state_ = std::move(other.state_);
  mode_ = other.mode_;
  directory_ = other.directory_;
  return *this;
}

void LockedInode::Release() {
  if (!state_) return;
  if (mode_ == LockMode::kExclusive) {
    state_->mutex.unlock();
  } else {
    state_->mutex.unlock_shared();
  }
  lock_order::Release({directory_ ? lock_order::kDirectory : lock_order::kFile, state_->ino});
  state_.reset();
}

void LockedInode::Publish(schema::InodeRecord record) {
  state_->record = std::move(record);
  state_->known = InodeState::Known::kPresent;
}

void LockedInode::PublishAbsent() {
  state_->record = {};
  state_->known = InodeState::Known::kAbsent;
}

InodeTable::InodeTable(RecordStore* records, size_t max_inodes)
    : records_(records), max_per_shard_(std::max<size_t>(16, max_inodes / kShards)) {}

Result<LockedInode> InodeTable::Lock(InodeNumber ino, LockMode mode, bool directory) {
  std::shared_ptr<InodeState> state = StateOf(ino);
  while (true) {
    LockedInode locked(state, mode, directory);
    if (locked.known() != InodeState::Known::kNo) return locked;
    if (mode == LockMode::kShared) {
      // Only a writer may set the record; readers then come again.
      locked.Release();
      locked = LockedInode(state, LockMode::kExclusive, directory);
    }
    if (locked.known() == InodeState::Known::kNo) {
      auto record = records_->Inode(ino);
      if (!record) return tl::unexpected(record.error());
      if (*record) {
        locked.Publish(std::move(**record));
      } else {
        locked.PublishAbsent();
      }
    }
    if (mode == LockMode::kExclusive) return locked;
  }
}

void InodeTable::Insert(InodeNumber ino, const schema::InodeRecord& record) {
  auto state = StateOf(ino);
  // Nobody else knows the number, so this never waits and stands outside the lock order.
  std::lock_guard lock(state->mutex);
  state->record = record;
  state->known = InodeState::Known::kPresent;
}

std::shared_ptr<InodeState> InodeTable::StateOf(InodeNumber ino) {
  Shard& shard = shards_[ino % kShards];
  std::lock_guard lock(shard.mutex);
  auto [at, added] = shard.states.try_emplace(ino);
  if (added) {
    at->second = std::make_shared<InodeState>(ino);
    shard.lru.push_front(at->second.get());
    at->second->lru_position = shard.lru.begin();
    auto state = at->second;
    Evict(&shard);
    return state;
  }
  shard.lru.splice(shard.lru.begin(), shard.lru, at->second->lru_position);
  return at->second;
}

// A state may go when only the table has it: new holders come only under the shard's mutex, which is held here. States
// in use stay, and let the table grow past its bound by as many as there are operations under way.
void InodeTable::Evict(Shard* shard) const {
  constexpr int kTries = 4;
  for (int i = 0; i < kTries && shard->states.size() > max_per_shard_; ++i) {
    InodeState* oldest = shard->lru.back();
    auto at = shard->states.find(oldest->ino);
    if (at->second.use_count() > 1) {
      shard->lru.splice(shard->lru.begin(), shard->lru, oldest->lru_position);
      continue;
    }
    shard->lru.pop_back();
    shard->states.erase(at);
  }
}

size_t InodeTable::size() const {
  size_t total = 0;
  for (const Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    total += shard.states.size();
  }
  return total;
}

}  // namespace silt::fs
