// A stretch of a log file mapped into memory, so that a small append costs a copy instead of a system call. What was
// copied is in the host's page cache, as after write(2): it survives the process, and fdatasync writes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace silt::lsm {

// Only for bytes of the file that exist and have their blocks: the first touch of a page then needs no space. Where the
// host all the same cannot provide the page (a failing disk, a file that somebody cut), it raises SIGBUS: a handler of
// the process, installed with the first window, turns that into Store's `false`, and passes every other SIGBUS on to
// whoever handled it before. Not thread-safe.
class AppendWindow {
 public:
  AppendWindow() = default;
  AppendWindow(const AppendWindow&) = delete;
  AppendWindow& operator=(const AppendWindow&) = delete;
  ~AppendWindow() { Close(); }

  // Whether files of this filesystem are worth a window: ext4 only. Others were not measured, and those that copy on
  // write need space for each page that is touched anew.
  static bool Suits(int fd);

  // Copies `data` to `position` of the file. False when this window cannot: then any part of it may be there, and the
  // caller has to write it. REQUIRES: fd is open for reading and writing; [position, position + size) lies below
  // `limit`, which is within the file.
  bool Store(int fd, uint64_t position, std::string_view data, uint64_t limit) {
    if (position < begin_ || position + data.size() > begin_ + length_) [[unlikely]] {
      if (!MoveTo(fd, position, data.size(), limit)) return false;
    }
    return Copy(position, data);
  }
  void Close();

 private:
  bool MoveTo(int fd, uint64_t position, size_t size, uint64_t limit);
  bool Copy(uint64_t position, std::string_view data);

  char* memory_ = nullptr;
  uint64_t begin_ = 0;  // in the file
  size_t length_ = 0;
  bool unusable_ = false;  // it failed once
};

}  // namespace silt::lsm
