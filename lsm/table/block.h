// Reads one block. The bytes have passed their checksum, but are decoded as if they had not: a malformed block makes
// the cursor invalid and malformed(), never undefined.
#pragma once

#include <cstdint>
#include <string_view>

#include "lsm/table/key_buffer.h"

namespace silt::lsm {

// A cursor over the entries of a block. Keys are internal keys. Not virtual: table iterators call it for every entry.
class BlockCursor {
 public:
  BlockCursor() = default;
  explicit BlockCursor(std::string_view block) { Open(block); }
  BlockCursor(const BlockCursor&) = delete;
  BlockCursor& operator=(const BlockCursor&) = delete;

  // Starts on another block, whose bytes must outlive the cursor's use; invalid until it seeks.
  void Open(std::string_view block);
  void Close() { Open({}); }

  bool Valid() const { return next_ > current_; }
  bool malformed() const { return malformed_; }

  void SeekToFirst();
  void SeekToLast();
  void Seek(std::string_view target);         // first entry >= target
  void SeekForPrev(std::string_view target);  // last entry <= target
  // REQUIRES: Valid().
  void Next();
  void Prev();
  std::string_view key() const { return key_.view(); }  // valid until the cursor moves
  std::string_view value() const { return value_; }     // valid as long as the block
  uint32_t offset() const { return current_; }          // of the entry in the block

 private:
  void Invalidate() { current_ = next_ = 0; }
  void Fail() {
    malformed_ = true;
    Invalidate();
  }
  uint32_t RestartOffset(uint32_t index) const;
  // The key at a restart point, without moving; false when malformed.
  bool RestartKey(uint32_t index, std::string_view* key) const;
  void GoToRestart(uint32_t index);
  // Decodes the entry at next_, to which key_ is the one before. False at the end and when malformed.
  bool Advance();
  // The last restart whose key is < target; 0 if none. False when malformed.
  bool FindRestartBefore(std::string_view target, uint32_t* index) const;
  uint32_t RestartBeforeOffset(uint32_t offset) const;

  const char* data_ = nullptr;
  uint32_t entries_end_ = 0;  // where the restart array begins
  uint32_t restarts_ = 0;
  uint32_t current_ = 0;  // offset of the entry under the cursor
  uint32_t next_ = 0;     // offset of the one behind it; equal to current_ when invalid
  bool malformed_ = false;
  KeyBuffer key_;
  std::string_view value_;
};

}  // namespace silt::lsm
