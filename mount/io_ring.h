// A bare io_uring for commands of 128 bytes: what FUSE over io_uring needs and no more. One thread uses it.
#pragma once

#include <linux/io_uring.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "lsm/status.h"
#include "mount/unique_fd.h"

namespace silt::mount {

// Not thread-safe.
class IoRing {
 public:
  // kIoError says which call failed and why.
  static lsm::Result<std::unique_ptr<IoRing>> Create(unsigned entries);

  // A zeroed command, submitted by the next Submit. REQUIRES: no more are unsubmitted than the ring has entries.
  io_uring_sqe* NextCommand();
  // Submits; waits until there is a completion when `wait` and none is there yet. 0 or -errno (EINTR is not passed on).
  int Submit(bool wait);
  bool TakeCompletion(io_uring_cqe* out);
  bool HasCompletion() const;

 private:
  // A mapping, unmapped in the end.
  struct Mapping {
    Mapping() = default;
    Mapping(int fd, uint64_t offset, size_t bytes);
    ~Mapping();
    Mapping(Mapping&& other) noexcept;
    Mapping& operator=(Mapping&& other) noexcept;
    template <class T>
    T* At(uint32_t offset) const {
      return reinterpret_cast<T*>(static_cast<char*>(start) + offset);
    }
    void* start = nullptr;
    size_t size = 0;
  };
  static constexpr size_t kCommandSize = 128;

  IoRing() = default;

  UniqueFd fd_;
  Mapping submissions_, commands_, completions_;
  // Into the mappings; the kernel reads the submission tail and writes the completion tail.
  uint32_t *submission_tail_ = nullptr, *completion_head_ = nullptr, *completion_tail_ = nullptr;
  io_uring_cqe* completion_array_ = nullptr;
  uint32_t submission_mask_ = 0, completion_mask_ = 0;
  uint32_t unsubmitted_ = 0;
};

}  // namespace silt::mount
