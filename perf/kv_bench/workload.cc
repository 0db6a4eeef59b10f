#include "perf/kv_bench/workload.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

namespace silt::bench {

using Clock = std::chrono::steady_clock;

namespace {

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

uint64_t TotalOperations(const LoadOptions& load) {
  return load.operations != 0 ? load.operations : load.num;
}

}  // namespace

Worker::Worker(KvStore& store_in, const LoadOptions& load_in, uint64_t seed, int index_in, std::atomic<bool>& stop_in)
    : store(store_in),
      load(load_in),
      index(index_in),
      stop(stop_in),
      random(seed + 1000 * static_cast<uint64_t>(index_in + 1)),
      values(load_in.seed, load_in.value_bytes, load_in.compressibility) {
  auto threads = static_cast<uint64_t>(load.threads);
  auto position = static_cast<uint64_t>(index);
  uint64_t total = TotalOperations(load);
  first = total * position / threads;
  operations = total * (position + 1) / threads - first;
}

uint64_t Worker::Now() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

namespace {

// Space that the files take on the disk; holes and what was cut off do not count.
uint64_t DiskBytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat info {};
    if (::stat(entry.path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    }
  }
  return bytes;
}

uint64_t LiveBytes(KvStore& store) {
  uint64_t bytes = 0;
  auto cursor = store.NewCursor();
  for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) bytes += cursor->key().size() + cursor->value().size();
  return bytes;
}

}  // namespace

Result RunWorkload(const Workload& workload, const std::string& engine, KvStore& store, const LoadOptions& load) {
  // Each workload draws keys of its own, or readrandom would read in the order in which fillrandom wrote.
  uint64_t seed = load.seed;
  for (char c : std::string_view(workload.name)) seed = seed * 131 + static_cast<unsigned char>(c);

  std::atomic<bool> stop = false;
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < load.threads; ++i) workers.push_back(std::make_unique<Worker>(store, load, seed, i, stop));
  std::unique_ptr<Worker> background;
  if (workload.background) background = std::make_unique<Worker>(store, load, seed, load.threads, stop);

  if (workload.prepare) {
    Worker preparing(store, load, seed, 0, stop);
    workload.prepare(preparing);
  }

  uint64_t written_before = BytesWrittenByProcess();
  uint64_t read_before = BytesReadByProcess();
  auto begin = Clock::now();
  std::thread background_thread;
  if (background) background_thread = std::thread([&] { workload.background(*background); });
  std::vector<std::thread> threads;
  for (auto& worker : workers) threads.emplace_back([&workload, &worker] { workload.run(*worker); });
  for (auto& thread : threads) thread.join();

  Result result;
  result.workload = workload.name;
  result.engine = engine;
  result.threads = load.threads;
  result.seconds = SecondsSince(begin);
  uint64_t read_bytes = BytesReadByProcess() - read_before;
  stop = true;
  if (background_thread.joinable()) background_thread.join();

  uint64_t found = 0;
  for (auto& worker : workers) {
    result.operations += worker->done;
    result.bytes += worker->bytes;
    result.emulated |= worker->emulated;
    result.latencies.Merge(worker->latencies);
    found += worker->found;
  }
  if (workload.looks_up) result.found = found;
  if (workload.writes) {
    auto settling = Clock::now();
    if (load.settle) store.Settle();
    result.settle_seconds = SecondsSince(settling);
    if (load.settle && result.bytes > 0) {
      result.write_amplification =
          static_cast<double>(BytesWrittenByProcess() - written_before) / static_cast<double>(result.bytes);
    }
    if (load.settle && store.Readable()) {
      uint64_t live = LiveBytes(store);
      if (live > 0) result.space_amplification = static_cast<double>(DiskBytes(load.path)) / static_cast<double>(live);
    }
  } else if (read_bytes > 0 && result.bytes > 0) {
    result.read_amplification = static_cast<double>(read_bytes) / static_cast<double>(result.bytes);
  }
  return result;
}

const Workload* FindWorkload(const std::string& name) {
  auto it = std::find_if(Workloads().begin(), Workloads().end(), [&](const Workload& w) { return name == w.name; });
  return it == Workloads().end() ? nullptr : &*it;
}

}  // namespace silt::bench
