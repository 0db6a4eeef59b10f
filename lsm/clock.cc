#include "lsm/clock.h"

#include <chrono>
#include <thread>

namespace silt::lsm {
namespace {

class SystemClock final : public Clock {
 public:
  uint64_t MonotonicMicros() override {
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  }
  uint64_t UnixSeconds() override {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  }
  void SleepMicros(uint64_t micros) override { std::this_thread::sleep_for(std::chrono::microseconds(micros)); }
};

}  // namespace

Clock* Clock::System() {
  static SystemClock clock;
  return &clock;
}

}  // namespace silt::lsm
