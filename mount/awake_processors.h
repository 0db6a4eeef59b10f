// Keeps idle processors from sleeping while requests come. A request to a FUSE daemon is two wake-ups, and where a
// processor that is idle sleeps deeply (a virtual one always does), waking it takes several times as long as the
// request. The kernel's PM QoS lets root ask for a bound on that: Documentation/power/pm_qos_interface.rst,
// /dev/cpu_dma_latency. It is asked for only while requests come thick, and taken back within kLook of their end: an
// idle mount costs nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace silt::mount {

// Whether requests come thick: kBurst within kWindow. Thread-safe; time is the caller's.
class RequestBurst {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr uint64_t kBurst = 4;
  static constexpr auto kWindow = std::chrono::milliseconds(10);

  // At every kBurst-th request.
  bool IsThick(Clock::time_point now) {
    const int64_t nanos = now.time_since_epoch().count();
    return nanos - last_nanos_.exchange(nanos, std::memory_order_relaxed) < std::chrono::nanoseconds(kWindow).count();
  }

 private:
  std::atomic<int64_t> last_nanos_{-std::chrono::nanoseconds(std::chrono::hours(1)).count()};
};

class AwakeProcessors {
 public:
  static constexpr const char* kDevice = "/dev/cpu_dma_latency";
  static constexpr const char* kIdleDriver = "/sys/devices/system/cpu/cpuidle/current_driver";
  // How often it is looked whether requests still come.
  static constexpr auto kLook = std::chrono::milliseconds(20);

  // The bound to ask for, in µs. A virtual processor leaves the machine at its first sleep, so that it must not sleep
  // at all; a real one may halt (C1), which costs a microsecond or two.
  static int32_t BoundMicros(std::string_view idle_driver) { return idle_driver == "haltpoll" ? 0 : 3; }

  // Opens `device`, when there is need for it, as often as there is need. Where that may not be, nothing is kept awake.
  explicit AwakeProcessors(std::string device = kDevice, std::string idle_driver = kIdleDriver);
  ~AwakeProcessors();

  // For every request, by the thread that serves it. An addition, as a rule.
  void OnRequest() {
    const uint64_t number = requests_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (number % RequestBurst::kBurst == 0 && !settled_.load(std::memory_order_relaxed)) Consider();
  }

  // How often processors were kept awake, whether they are now, and that it cannot be: known when it was tried.
  uint64_t times() const { return times_.load(std::memory_order_relaxed); }
  bool awake() const { return awake_.load(std::memory_order_relaxed); }
  bool refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  void Consider();
  void Run();
  // Until requests no longer come thick, or the end.
  void Hold(std::unique_lock<std::mutex>* lock);

  const std::string device_;
  const std::string idle_driver_;
  RequestBurst burst_;
  alignas(64) std::atomic<uint64_t> requests_{0};
  alignas(64) std::atomic<bool> settled_{false};  // nothing to consider: they are awake, or cannot be kept so
  std::atomic<bool> awake_{false};
  std::atomic<bool> refused_{false};
  std::atomic<uint64_t> times_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false;  // guarded by mutex_
  bool stop_ = false;    // guarded by mutex_
  std::thread thread_;
};

}  // namespace silt::mount
