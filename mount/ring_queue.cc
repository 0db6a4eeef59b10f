#include "mount/ring_queue.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>
#include <string>


namespace silt::mount {

using lsm::Fail;
using lsm::Status;

lsm::Result<std::unique_ptr<RingQueue>> RingQueue::Create(const Shared* shared, uint16_t number, unsigned depth) {
  std::unique_ptr<RingQueue> queue(new RingQueue(shared, number));
  queue->wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (!queue->wake_) return Fail(Status::IoError(std::string("eventfd: ") + std::strerror(errno)));
  auto ring = IoRing::Create(depth + 1);
  if (!ring) return Fail(ring.error());
  queue->ring_ = *std::move(ring);
  for (unsigned i = 0; i < depth; ++i) {
    queue->entries_.push_back(RingEntry::Create());
    if (!queue->entries_.back()) return Fail(Status::IoError("no memory for the rings' buffers"));
  }
  return queue;
}

RingQueue::~RingQueue() {
  Stop();
}

void RingQueue::Start() {
  thread_ = std::thread([this] { Run(); });
}

void RingQueue::Stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_asked_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void RingQueue::Run() {
  PinToProcessor();
  ListenForReplies();
  for (const auto& entry : entries_) Submit(entry.get(), ring_abi::kRegister);
  live_ = entries_.size();
  while (!(stopping_ && live_ == 0)) {
    if (int error = ring_->Submit(/*wait=*/true); error != 0) {
      shared_->failed(error);
      return;
    }
    io_uring_cqe completion;
    while (ring_->TakeCompletion(&completion)) {
      OnCompletion(completion);
      // A reply does not wait for the requests behind it. The last one goes with the next wait.
      if (!ring_->HasCompletion()) break;
      if (int error = ring_->Submit(/*wait=*/false); error != 0) return shared_->failed(error);
    }
  }
}

// A processor that is off has no clients either.
void RingQueue::PinToProcessor() const {
  pthread_setname_np(pthread_self(), ("siltfs-ring-" + std::to_string(number_)).substr(0, 15).c_str());
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(number_, &set);
  ::sched_setaffinity(0, sizeof(set), &set);
}

void RingQueue::Submit(RingEntry* entry, uint32_t operation) {
  io_uring_sqe* command = ring_->NextCommand();
  command->opcode = IORING_OP_URING_CMD;
  command->fd = fuse_session_fd(shared_->session);
  command->cmd_op = operation;
  command->user_data = reinterpret_cast<uint64_t>(entry);
  if (operation == ring_abi::kRegister) {
    command->addr = reinterpret_cast<uint64_t>(entry->Buffers());
    command->len = 2;
  }
  ring_abi::Command body{.flags = 0, .commit_id = entry->commit_id(), .queue = number_, .padding = {}};
  std::memcpy(command->cmd, &body, sizeof(body));
}

void RingQueue::ListenForReplies() {
  io_uring_sqe* command = ring_->NextCommand();
  command->opcode = IORING_OP_READ;
  command->fd = wake_.get();
  command->addr = reinterpret_cast<uint64_t>(&wake_count_);
  command->len = sizeof(wake_count_);
  command->user_data = 0;
}

void RingQueue::OnCompletion(const io_uring_cqe& completion) {
  auto* entry = reinterpret_cast<RingEntry*>(completion.user_data);
  if (entry == nullptr) {
    TakeHandedBack();
    // The connection may have ended while others were at its requests: those are still handed back.
    if (!(stopping_ && live_ == 0)) ListenForReplies();
  } else if (completion.res == 0) {
    OnRequest(entry);
  } else if (completion.res == -EINTR || completion.res == -EAGAIN) {
    Submit(entry, entry->commit_id() == 0 ? ring_abi::kRegister : ring_abi::kCommitAndFetch);
  } else {
    --live_;
    // ENOTCONN and ECONNABORTED: unmounted.
    if (completion.res != -ENOTCONN && completion.res != -ECONNABORTED) shared_->failed(completion.res);
  }
}

void RingQueue::OnRequest(RingEntry* entry) {
  std::span<char> request = entry->TakeRequest();
  if (request.empty()) {
    entry->ReplyError(EIO);
  } else if (RawRequest raw(request, entry); SyncQueue::Takes(raw.opcode())) {
    if (!OnSyncRequest(entry, request)) return;
  } else if (shared_->syncs->OnOtherRequest(); shared_->durations->IsLong(RequestDurations::KindOf(raw))) {
    shared_->workers->Add([this, entry, request] {
      RawRequest moved(request, entry);
      Serve(entry, &moved);
      HandBack({entry, {}});
    });
    return;
  } else {
    Serve(entry, &raw);
  }
  Submit(entry, ring_abi::kCommitAndFetch);
}

bool RingQueue::OnSyncRequest(RingEntry* entry, std::span<char> bytes) {
  auto serve = [this, entry, bytes, begun = SyncQueue::Clock::now()](int error) {
    RawRequest request(bytes, entry);
    request.SetSynced(error, begun);
    Serve(entry, &request);
  };
  if (shared_->syncs->IsAlone()) {
    serve(shared_->syncs->SyncHere([this] { return ring_->HasCompletion(); }));
    return true;
  }
  // Served here, not by the one thread that syncs for all: it has the next sync to make.
  shared_->syncs->Add([this, entry, serve](int error) { HandBack({entry, [serve, error] { serve(error); }}); });
  return false;
}

void RingQueue::Serve(RingEntry* entry, RawRequest* request) {
  entry->ReplyError(EIO);  // replaced by the reply
  const RequestDurations::Kind kind = RequestDurations::KindOf(*request);
  shared_->durations->Record(kind, shared_->observer->Serve(request, shared_->session));
}

void RingQueue::HandBack(HandedBack back) {
  std::lock_guard lock(mutex_);
  handed_back_.push_back(std::move(back));
  if (handed_back_.size() == 1) ::eventfd_write(wake_.get(), 1);
}

void RingQueue::TakeHandedBack() {
  std::vector<HandedBack> back;
  {
    std::lock_guard lock(mutex_);
    back.swap(handed_back_);
    stopping_ = stop_asked_;
  }
  for (const HandedBack& one : back) {
    if (one.serve) one.serve();
    Submit(one.entry, ring_abi::kCommitAndFetch);
  }
}

}  // namespace silt::mount
