// Disk space kept for the day when the host's disk is full, so that flushes and compactions, which give space back in
// the end, can still run.
#pragma once

#include <mutex>
#include <string>

#include "lsm/db/event_log.h"
#include "lsm/storage/storage.h"

namespace silt::lsm {

inline constexpr std::string_view kBallastName = "ballast";

// Thread-safe.
class Ballast {
 public:
  // `bytes` 0: none is kept.
  Ballast(Storage* storage, std::string dir, uint64_t bytes, const EventLog* log);

  // Creates the file if it is not there and the disk has several times as much space. A failure is no error.
  void Restore();
  // Gives the space back. False: there was nothing to give.
  bool Release();
  uint64_t HeldBytes() const;

 private:
  Storage* const storage_;
  const std::string dir_;
  const std::string path_;
  const uint64_t bytes_;
  const EventLog* const log_;
  mutable std::mutex mutex_;
  bool held_ = false;  // guarded by mutex_
};

}  // namespace silt::lsm
