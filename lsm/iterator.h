// A cursor over the keys of one family, in byte order, at one sequence number.
#pragma once

#include <string_view>

#include "lsm/status.h"

namespace silt::lsm {

// Not thread-safe; must be destroyed before its Db and its snapshot. Starts invalid: seek first.
// A damaged block makes it invalid with status() Corruption; it never skips damage silently.
class Iterator {
 public:
  virtual ~Iterator() = default;

  virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // To the first key >= target.
  virtual void Seek(std::string_view target) = 0;
  // To the last key <= target.
  virtual void SeekForPrev(std::string_view target) = 0;
  // REQUIRES: Valid().
  virtual void Next() = 0;
  virtual void Prev() = 0;
  // Valid until the iterator moves. REQUIRES: Valid().
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  // Ok while valid and at a true end; otherwise why it stopped.
  virtual Status status() const = 0;
};

}  // namespace silt::lsm
