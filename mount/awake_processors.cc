#include "mount/awake_processors.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <fstream>

#include "mount/unique_fd.h"

namespace silt::mount {

AwakeProcessors::AwakeProcessors(std::string device, std::string idle_driver)
    : device_(std::move(device)), idle_driver_(std::move(idle_driver)) {
  thread_ = std::thread([this] { Run(); });
}

AwakeProcessors::~AwakeProcessors() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void AwakeProcessors::Consider() {
  if (!burst_.IsThick(RequestBurst::Clock::now())) return;
  settled_.store(true, std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    wanted_ = true;
  }
  changed_.notify_all();
}

void AwakeProcessors::Run() {
  pthread_setname_np(pthread_self(), "siltfs-awake");
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return wanted_ || stop_; });
    if (stop_) return;
    // Held for as long as it is open.
    UniqueFd device(::open(device_.c_str(), O_WRONLY | O_CLOEXEC));
    std::string driver;
    std::ifstream(idle_driver_) >> driver;
    const int32_t bound = BoundMicros(driver);
    if (!device || ::write(device.get(), &bound, sizeof(bound)) != sizeof(bound)) {
      refused_.store(true, std::memory_order_relaxed);
      return;  // settled_ stays
    }
    times_.fetch_add(1, std::memory_order_relaxed);
    awake_.store(true, std::memory_order_relaxed);
    Hold(&lock);
    device = UniqueFd();
    awake_.store(false, std::memory_order_relaxed);
    wanted_ = false;
    settled_.store(false, std::memory_order_relaxed);
  }
}

void AwakeProcessors::Hold(std::unique_lock<std::mutex>* lock) {
  constexpr uint64_t kEnough = RequestBurst::kBurst * (kLook / RequestBurst::kWindow);
  for (uint64_t seen = requests_.load(std::memory_order_relaxed);;) {
    if (changed_.wait_for(*lock, kLook, [this] { return stop_; })) return;
    const uint64_t requests = requests_.load(std::memory_order_relaxed);
    if (requests - seen < kEnough) return;
    seen = requests;
  }
}

}  // namespace silt::mount
