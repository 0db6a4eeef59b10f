// Where a test makes threads stop until it lets them go on.
#pragma once

#include <atomic>

namespace silt::lsm {

// Thread-safe. Closed at first.
class Gate {
 public:
  // Returns when the gate is open.
  void Pass() {
    ++arrivals_;
    arrivals_.notify_all();
    closed_.wait(true);
  }
  void Open() {
    closed_ = false;
    closed_.notify_all();
  }
  void AwaitArrival() const { arrivals_.wait(0); }
  int arrivals() const { return arrivals_; }

 private:
  std::atomic<int> arrivals_{0};
  std::atomic<bool> closed_{true};
};

}  // namespace silt::lsm
