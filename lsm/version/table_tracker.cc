#include "lsm/version/table_tracker.h"

#include <utility>

namespace silt::lsm {

FileRef TableTracker::Track(FileRef file) {
  const FileMeta* meta = file.get();
  return {meta, [file = std::move(file), tracker = shared_from_this()](const FileMeta*) mutable {
            FileNumber number = file->number;
            file.reset();
            tracker->Release(number);
          }};
}

void TableTracker::Enter(FileNumber number) {
  std::lock_guard lock(mutex_);
  live_.insert(number);
}

std::vector<FileNumber> TableTracker::TakeObsolete() {
  std::lock_guard lock(mutex_);
  return std::exchange(obsolete_, {});
}

bool TableTracker::HasObsolete() const {
  std::lock_guard lock(mutex_);
  return !obsolete_.empty();
}

std::set<FileNumber> TableTracker::Live() const {
  std::lock_guard lock(mutex_);
  return live_;
}

bool TableTracker::IsLive(FileNumber number) const {
  std::lock_guard lock(mutex_);
  return live_.contains(number);
}

void TableTracker::Release(FileNumber number) {
  std::lock_guard lock(mutex_);
  if (live_.erase(number) > 0) obsolete_.push_back(number);
}

}  // namespace silt::lsm
