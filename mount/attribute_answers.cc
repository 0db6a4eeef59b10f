#include "mount/attribute_answers.h"

namespace silt::mount {

void AttributeAnswers::Told(fs::InodeNumber directory, int32_t thread) {
  const uint64_t now = clock_->MonotonicMicros();
  Shard& shard = ShardOf(directory);
  std::lock_guard lock(shard.mutex);
  auto [it, added] = shard.told.try_emplace(directory, Teller{thread, now});
  if (!added) {
    const bool old = now - it->second.at > kTakenInMicros;
    it->second = {old || it->second.thread == thread ? thread : 0, now};
    return;
  }
  if (shard.told.size() <= kPerShard) return;
  std::erase_if(shard.told, [now](const auto& entry) { return now - entry.second.at > kTakenInMicros; });
  if (shard.told.size() <= kPerShard) return;
  shard.told.clear();
  shard.all_until = now + kTakenInMicros;
}

bool AttributeAnswers::MayBeOnTheWay(fs::InodeNumber directory, int32_t thread) {
  if (being_made_ > 0) return true;
  Shard& shard = ShardOf(directory);
  std::lock_guard lock(shard.mutex);
  auto it = shard.told.find(directory);
  const uint64_t now = it == shard.told.end() && shard.all_until == 0 ? 0 : clock_->MonotonicMicros();
  const bool any = now < shard.all_until;
  if (it == shard.told.end()) return any;
  const bool other = (it->second.thread == 0 || it->second.thread != thread) && now - it->second.at <= kTakenInMicros;
  shard.told.erase(it);
  return any || other;
}

void AttributeAnswers::ToldFile(fs::InodeNumber file, int32_t thread) {
  std::atomic<FileTeller>& slot = files_[file % files_.size()];
  FileTeller seen = slot.load();
  const uint32_t now = Now();
  FileTeller told;
  do {
    told = {IsOld(seen, now) || seen.thread == thread ? thread : 0, now};
  } while (!slot.compare_exchange_weak(seen, told));
}

bool AttributeAnswers::FileMayBeOnTheWay(fs::InodeNumber file, int32_t thread) const {
  if (being_made_ > 0) return true;
  const FileTeller seen = files_[file % files_.size()].load();
  return seen.at != 0 && (seen.thread == 0 || seen.thread != thread) && !IsOld(seen, Now());
}

}  // namespace silt::mount
