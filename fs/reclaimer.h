// Gives deleted space back to a full disk: what was deleted lies in the memtable and under tombstones until tables are
// rewritten, and a store that may not grow would never fill a memtable again.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "fs/record_store.h"

namespace silt::fs {

// Thread-safe.
class Reclaimer {
 public:
  explicit Reclaimer(RecordStore* records) : records_(records) {}
  ~Reclaimer() { Stop(); }

  // Something did not fit. Works in the background, once for all who ask meanwhile; does nothing if nothing was
  // written since it worked last.
  void Request();
  // Waits for work that is under way. Idempotent; later requests do nothing.
  void Stop();

 private:
  void Run();
  void Reclaim();

  RecordStore* const records_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;              // guarded by mutex_ until stop_
  bool stop_ = false;               // guarded by mutex_
  bool wanted_ = false;             // guarded by mutex_
  lsm::SequenceNumber worked_ = 0;  // guarded by mutex_: the store's last sequence after the last work
};

}  // namespace silt::fs
