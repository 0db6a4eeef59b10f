#include "lsm/db/backpressure.h"

#include <algorithm>
#include <cmath>

namespace silt::lsm {
namespace {

constexpr double kFastest = 256.0 * (1 << 20);  // bytes per second, where the delays begin
constexpr double kSlowest = 1.0 * (1 << 20);    // ... and just before writers stop
constexpr double kOverhead = 256;               // what a batch costs beside its bytes
constexpr double kShortestSleep = 200;          // shorter waits are saved up
constexpr double kLongestSleep = 500'000;

// Multiples of the data that the levels aim to hold beyond L0.
constexpr double kPendingSoft = 8;
constexpr double kPendingHard = 64;

double Ramp(double value, double from, double to) {
  return std::clamp((value - from) / (to - from), 0.0, 1.0);
}

}  // namespace

Backpressure::Backpressure(const Options& options) : options_(options) {}

void Backpressure::Update(const PressureInputs& inputs) {
  double severity = 0;
  bool stop = false;
  if (!options_.disable_auto_compaction) {
    double runs = Ramp(inputs.l0_runs, options_.l0_slowdown_runs - 1, options_.l0_stop_runs);
    uint64_t base = 0;
    for (const FamilyOptions& family : options_.families) base += family.base_level_bytes;
    double pending =
        static_cast<double>(inputs.pending_compaction_bytes) / static_cast<double>(std::max<uint64_t>(base, 1));
    severity = std::max(runs, Ramp(pending, kPendingSoft, kPendingHard));
    stop = inputs.l0_runs >= options_.l0_stop_runs;
  }
  bool last_memtable = inputs.immutable_memtables >= static_cast<uint64_t>(options_.max_immutable_memtables);
  severity_.store(severity, std::memory_order_relaxed);
  last_memtable_.store(last_memtable, std::memory_order_relaxed);
  must_stop_.store(stop, std::memory_order_relaxed);
  eased_.store(severity == 0 && !last_memtable && !stop, std::memory_order_relaxed);
}

double Backpressure::Severity(double fill) const {
  double severity = severity_.load(std::memory_order_relaxed);
  // When this memtable is full and nothing has been flushed until then, writers must stop: slow down before.
  if (last_memtable_.load(std::memory_order_relaxed)) severity = std::max(severity, Ramp(fill, 0.5, 1.1));
  return severity;
}

uint64_t Backpressure::Delay(uint64_t now_micros, uint64_t bytes, double fill) {
  double severity = Severity(fill);
  if (severity <= 0) return 0;
  double rate = kFastest * std::pow(kSlowest / kFastest, severity);
  double cost = (static_cast<double>(bytes) + kOverhead) / rate * 1e6;
  double now = static_cast<double>(now_micros);
  std::lock_guard lock(mutex_);
  double& next_free = next_free_[bytes >= kBulkBytes ? 1 : 0];
  double begin = std::clamp(next_free, now, now + kLongestSleep);
  next_free = begin + cost;
  return begin - now < kShortestSleep ? 0 : static_cast<uint64_t>(begin - now);
}

}  // namespace silt::lsm
