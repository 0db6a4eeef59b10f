#include "mount/io_ring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace silt::mount {
namespace {

using lsm::Status;

Status Failed(const char* what) {
  return Status::IoError(std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

IoRing::Mapping::Mapping(int fd, uint64_t offset, size_t bytes) {
  void* mapped =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, static_cast<off_t>(offset));
  if (mapped == MAP_FAILED) return;
  start = mapped;
  size = bytes;
}

IoRing::Mapping::~Mapping() {
  if (start != nullptr) ::munmap(start, size);
}

IoRing::Mapping::Mapping(Mapping&& other) noexcept
    : start(std::exchange(other.start, nullptr)), size(std::exchange(other.size, 0)) {}

IoRing::Mapping& IoRing::Mapping::operator=(Mapping&& other) noexcept {
  std::swap(start, other.start);
  std::swap(size, other.size);
  return *this;
}

lsm::Result<std::unique_ptr<IoRing>> IoRing::Create(unsigned entries) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SQE128 | IORING_SETUP_SUBMIT_ALL;
  std::unique_ptr<IoRing> ring(new IoRing);
  ring->fd_ = UniqueFd(static_cast<int>(::syscall(SYS_io_uring_setup, entries, &params)));
  if (!ring->fd_) return lsm::Fail(Failed("io_uring_setup"));
  int fd = ring->fd_.get();
  ring->submissions_ = Mapping(fd, IORING_OFF_SQ_RING, params.sq_off.array + params.sq_entries * sizeof(uint32_t));
  ring->commands_ = Mapping(fd, IORING_OFF_SQES, params.sq_entries * kCommandSize);
  ring->completions_ = Mapping(fd, IORING_OFF_CQ_RING, params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
  if (ring->submissions_.start == nullptr || ring->commands_.start == nullptr || ring->completions_.start == nullptr) {
    return lsm::Fail(Failed("mapping an io_uring"));
  }
  ring->submission_tail_ = ring->submissions_.At<uint32_t>(params.sq_off.tail);
  ring->submission_mask_ = *ring->submissions_.At<uint32_t>(params.sq_off.ring_mask);
  ring->completion_head_ = ring->completions_.At<uint32_t>(params.cq_off.head);
  ring->completion_tail_ = ring->completions_.At<uint32_t>(params.cq_off.tail);
  ring->completion_mask_ = *ring->completions_.At<uint32_t>(params.cq_off.ring_mask);
  ring->completion_array_ = ring->completions_.At<io_uring_cqe>(params.cq_off.cqes);
  // Slot n of the queue is always command n.
  auto* slots = ring->submissions_.At<uint32_t>(params.sq_off.array);
  for (uint32_t slot = 0; slot < params.sq_entries; ++slot) slots[slot] = slot;
  return ring;
}

io_uring_sqe* IoRing::NextCommand() {
  // The kernel looks at the tail in Submit, on this thread, and so not before the command is filled in.
  uint32_t tail = *submission_tail_;
  std::atomic_ref(*submission_tail_).store(tail + 1, std::memory_order_release);
  ++unsubmitted_;
  auto* command = commands_.At<char>((tail & submission_mask_) * kCommandSize);
  std::memset(command, 0, kCommandSize);
  return reinterpret_cast<io_uring_sqe*>(command);
}

int IoRing::Submit(bool wait) {
  wait = wait && !HasCompletion();
  if (unsubmitted_ == 0 && !wait) return 0;
  long done = ::syscall(SYS_io_uring_enter, fd_.get(), unsubmitted_, wait ? 1 : 0, wait ? IORING_ENTER_GETEVENTS : 0,
                        nullptr, 0);
  if (done >= 0) {
    unsubmitted_ -= static_cast<uint32_t>(done);
    return 0;
  }
  return errno == EINTR || errno == EAGAIN || errno == EBUSY ? 0 : -errno;
}

bool IoRing::HasCompletion() const {
  return std::atomic_ref(*completion_tail_).load(std::memory_order_acquire) != *completion_head_;
}

bool IoRing::TakeCompletion(io_uring_cqe* out) {
  if (!HasCompletion()) return false;
  uint32_t head = *completion_head_;
  *out = completion_array_[head & completion_mask_];
  std::atomic_ref(*completion_head_).store(head + 1, std::memory_order_release);
  return true;
}

}  // namespace silt::mount
