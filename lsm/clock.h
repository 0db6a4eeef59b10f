// Time, injected so that tests do not wait for it.
#pragma once

#include <cstdint>

namespace silt::lsm {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t MonotonicMicros() = 0;
  virtual uint64_t UnixSeconds() = 0;
  virtual void SleepMicros(uint64_t micros) = 0;

  // The machine's clock; lives as long as the process.
  static Clock* System();
};

}  // namespace silt::lsm
