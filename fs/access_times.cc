// When reading moves the atime: mount(8)'s relatime and strictatime.
#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

namespace {

constexpr int64_t kDaySeconds = 24 * 60 * 60;

// As relatime_need_update in Linux: an atime says whether something was read since it changed, and on which day.
bool IsDue(const InodeRecord& record, AtimeRule rule, const Time& now) {
  switch (rule) {
    case AtimeRule::kNever:
      return false;
    case AtimeRule::kStrict:
      return true;
    case AtimeRule::kRelative:
      return record.atime <= record.mtime || record.atime <= record.ctime ||
             now.seconds - record.atime.seconds >= kDaySeconds;
  }
  return false;
}

}  // namespace

bool Store::AtimeIsDue(InodeNumber ino, AtimeRule rule) {
  if (rule == AtimeRule::kNever || read_only_) return false;
  auto locked = LockAny(ino, LockMode::kShared);
  return locked && IsDue(locked->record(), rule, Now());
}

void Store::Accessed(InodeNumber ino, AtimeRule rule) {
  if (!AtimeIsDue(ino, rule)) return;
  auto locked = LockAny(ino, LockMode::kExclusive);
  if (!locked) return;
  const Time now = Now();
  if (!IsDue(locked->record(), rule, now)) return;  // by now somebody else has moved it
  InodeRecord record = locked->record();
  record.atime = now;
  lsm::WriteBatch batch;
  // Nobody's read fails for the sake of its time: where nothing can be written, it stays what it was.
  (void)CommitRecord(&*locked, std::move(record), &batch);
}

}  // namespace silt::fs
