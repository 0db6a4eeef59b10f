// The workloads by name, and what running one gives.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "perf/kv_bench/histogram.h"
#include "perf/kv_bench/kv_store.h"
#include "perf/kv_bench/random_data.h"

namespace silt::bench {

// What the command line says of the load.
struct LoadOptions {
  uint64_t num = 1'000'000;  // keys in the store
  uint64_t operations = 0;   // of a workload; 0: num
  size_t value_bytes = 100;
  double compressibility = 0.5;
  int threads = 1;
  uint64_t seed = 301;
  uint64_t batch = 100;  // operations of a batch, keys of a multiget
  int seek_nexts = 10;   // entries read after each seek
  bool settle = true;    // wait for compactions after each workload that writes
  std::string path;      // of the store
};

// One thread's part of a workload: loops, calling Time for each operation.
class Worker {
 public:
  Worker(KvStore& store_in, const LoadOptions& load_in, uint64_t seed, int index_in, std::atomic<bool>& stop_in);

  KvStore& store;
  const LoadOptions& load;
  const int index;
  std::atomic<bool>& stop;  // set when the foreground threads are done
  Random random;
  ValueSource values;
  uint64_t operations;  // this thread's share
  uint64_t first;       // ... begins here, for sequential workloads

  Histogram latencies;
  uint64_t done = 0;
  uint64_t bytes = 0;  // of keys and values, written or returned
  uint64_t found = 0;
  bool emulated = false;  // the engine lacks the operation; it was made of others

  // Runs one operation, counts it as `count`, and times it.
  template <class Operation>
  void Time(Operation&& operation, uint64_t count = 1) {
    uint64_t begin = Now();
    operation();
    latencies.Add(Now() - begin);
    done += count;
  }
  std::string RandomKey() { return KeyOf(random.Below(load.num)); }

 private:
  static uint64_t Now();
};

struct Workload {
  const char* name;
  const char* what;
  bool fresh;     // starts on an empty store
  bool writes;    // written bytes and settling are of interest
  bool looks_up;  // "found" is of interest
  std::function<void(Worker&)> run;
  std::function<void(Worker&)> background = nullptr;  // one more thread, until the others are done
  std::function<void(Worker&)> prepare = nullptr;     // one thread's, before the others begin; not timed
};

// Every workload, in the order in which they make sense one after another.
const std::vector<Workload>& Workloads();
const Workload* FindWorkload(const std::string& name);

struct Result {
  std::string workload;
  std::string engine;
  int threads = 1;
  double seconds = 0;
  double settle_seconds = 0;
  uint64_t operations = 0;
  uint64_t bytes = 0;
  std::optional<uint64_t> found;
  std::optional<double> write_amplification;  // bytes handed to write calls, settling included, by bytes of the load
  std::optional<double> space_amplification;  // bytes of the store's files, settled, by bytes of the live keys and values
  std::optional<double> read_amplification;   // bytes got from read calls, by bytes of the keys and values read
  bool emulated = false;
  Histogram latencies;

  double OperationsPerSecond() const { return seconds > 0 ? static_cast<double>(operations) / seconds : 0; }
  double MegabytesPerSecond() const { return seconds > 0 ? static_cast<double>(bytes) / seconds / 1e6 : 0; }
};

Result RunWorkload(const Workload& workload, const std::string& engine, KvStore& store, const LoadOptions& load);

}  // namespace silt::bench
