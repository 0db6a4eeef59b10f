#include "mount/device_loop.h"

#include <linux/fuse.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <span>

#include "mount/fuse_adapter.h"
#include "mount/raw_request.h"

namespace silt::mount {
namespace {

// The watch looks so often while requests come, and sleeps after so many looks that saw none.
constexpr auto kWatchInterval = std::chrono::milliseconds(4);
constexpr int kIdleLooks = 25;

}  // namespace

struct DeviceLoop::Buffer {
  // The kernel gives nothing to a reader whose buffer could not hold the largest write with its header.
  static constexpr size_t kSize = kMaxWrite + 4096;
  std::unique_ptr<char[]> bytes = std::make_unique_for_overwrite<char[]>(kSize);
};

DeviceLoop::DeviceLoop(fuse_session* session, RequestObserver* observer, SyncQueue* syncs, unsigned max_threads,
                       std::function<void()> initialized)
    : session_(session),
      observer_(observer),
      syncs_(syncs),
      max_threads_(max_threads),
      initialized_(std::move(initialized)) {}

DeviceLoop::~DeviceLoop() = default;

int DeviceLoop::Run() {
  std::thread watch([this] { Watch(); });
  Follow();
  watch.join();
  // Threads are started by leaders, and there is none any more.
  for (std::thread& thread : threads_) thread.join();
  return error_;
}

void DeviceLoop::Follow() {
  Buffer buffer;
  std::unique_lock lock(mutex_);
  for (;;) {
    ++followers_;
    vacancy_.wait(lock, [this] { return stopped_ || !led_; });
    --followers_;
    if (stopped_) return;
    led_ = true;
    uint64_t term = term_.load();
    lock.unlock();
    Lead(term, &buffer);
    lock.lock();
  }
}

void DeviceLoop::Lead(uint64_t term, Buffer* buffer) {
  while (term_.load(std::memory_order_acquire) == term) {
    size_t size = 0;
    if (!Receive(buffer, &size)) return;
    Serve(buffer, size, term);
  }
}

// False when there will be no more.
bool DeviceLoop::Receive(Buffer* buffer, size_t* size) {
  for (;;) {
    ssize_t got = ::read(fuse_session_fd(session_), buffer->bytes.get(), Buffer::kSize);
    if (got >= static_cast<ssize_t>(sizeof(fuse_in_header))) {
      *size = static_cast<size_t>(got);
      return true;
    }
    int error = got < 0 ? errno : EIO;
    if (error == EINTR || error == ENOENT || error == EAGAIN) continue;  // ENOENT: the request was taken back
    Stop(error == ENODEV ? 0 : -error);                                  // ENODEV: unmounted
    return false;
  }
}

void DeviceLoop::Serve(Buffer* buffer, size_t size, uint64_t term) {
  RawRequest request(std::span(buffer->bytes.get(), size));
  const uint32_t opcode = request.opcode();
  const RequestDurations::Kind kind = RequestDurations::KindOf(request);
  const bool sync = SyncQueue::Takes(opcode);
  if (sync && !syncs_->IsAlone()) return QueueSync(request.bytes());
  if (!sync) syncs_->OnOtherRequest();
  if (!sync && durations_.IsLong(kind)) {
    Promote(term);
  } else {
    serving_.store(true, std::memory_order_release);
    requests_.fetch_add(1);  // in one order with the watch's own two steps: it counts it, or is woken
    if (watch_sleeps_.load()) WakeWatch();
  }
  if (sync) {
    const auto begun = SyncQueue::Clock::now();
    request.SetSynced(syncs_->SyncHere([this] { return RequestIsWaiting(); }), begun);
  }
  durations_.Record(kind, observer_->Serve(&request, session_));
  if (term_.load(std::memory_order_acquire) == term) serving_.store(false, std::memory_order_release);
  if (opcode == FUSE_INIT) initialized_();
}

// The thread that syncs for all replies, too.
void DeviceLoop::QueueSync(std::span<const char> bytes) {
  syncs_->Add([session = session_, observer = observer_, begun = SyncQueue::Clock::now(),
               copy = std::vector<char>(bytes.begin(), bytes.end())](int error) mutable {
    RawRequest request(copy);
    request.SetSynced(error, begun);
    observer->Serve(&request, session);
  });
}

bool DeviceLoop::RequestIsWaiting() const {
  pollfd device{.fd = fuse_session_fd(session_), .events = POLLIN, .revents = 0};
  return ::poll(&device, 1, 0) > 0;
}

// Makes room for another leader.
void DeviceLoop::Promote(uint64_t term) {
  std::lock_guard lock(mutex_);
  if (stopped_ || term_.load() != term) return;
  serving_.store(false, std::memory_order_release);
  term_.store(term + 1, std::memory_order_release);
  led_ = false;
  if (followers_ > 0) {
    vacancy_.notify_one();
  } else if (threads_.size() + 1 < max_threads_) {
    threads_.emplace_back([this] { Follow(); });
  }
}

void DeviceLoop::Stop(int error) {
  std::lock_guard lock(mutex_);
  if (!stopped_) error_ = error;
  stopped_ = true;
  vacancy_.notify_all();
  activity_.notify_all();
}

void DeviceLoop::Watch() {
  uint64_t seen = 0;
  int idle_looks = 0;
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    uint64_t term = term_.load();
    uint64_t requests = requests_.load();
    activity_.wait_for(lock, kWatchInterval, [this] { return stopped_; });
    // The same request of the same leader at both ends of the interval.
    if (serving_.load() && requests_.load() == requests && term_.load() == term) {
      lock.unlock();
      Promote(term);
      lock.lock();
    }
    idle_looks = requests_.load() == seen ? idle_looks + 1 : 0;
    seen = requests_.load();
    if (idle_looks < kIdleLooks) continue;
    watch_sleeps_.store(true);
    activity_.wait(lock, [&] { return stopped_ || requests_.load() != seen; });
    watch_sleeps_.store(false);
    idle_looks = 0;
  }
}

void DeviceLoop::WakeWatch() {
  std::lock_guard lock(mutex_);
  activity_.notify_all();
}

}  // namespace silt::mount
