// A cursor over internal keys, as memtables, tables and merges give them. What Iterator is for users, one layer down.
#pragma once

#include <memory>
#include <string_view>

#include "lsm/status.h"

namespace silt::lsm {

// Not thread-safe. Range tombstones are not among the entries; they are asked for apart (range_tombstone.h).
class InternalIterator {
 public:
  virtual ~InternalIterator() = default;
  virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(std::string_view internal_key) = 0;         // first entry >= internal_key
  virtual void SeekForPrev(std::string_view internal_key) = 0;  // last entry <= internal_key
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual std::string_view key() const = 0;  // internal key; valid until the iterator moves
  virtual std::string_view value() const = 0;
  virtual Status status() const = 0;
};

}  // namespace silt::lsm
