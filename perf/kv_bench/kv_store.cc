#include "perf/kv_bench/kv_store.h"

#include <fmt/core.h>

#include <cstdlib>
#include <fstream>

namespace silt::bench {

void Fail(std::string_view engine, std::string_view message) {
  fmt::print(stderr, "kv_bench: {}: {}\n", engine, message);
  std::exit(1);
}

namespace {

uint64_t ProcessIo(std::string_view field) {
  std::ifstream io("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (io >> name >> value) {
    if (name == field) return value;
  }
  return 0;
}

}  // namespace

uint64_t BytesWrittenByProcess() { return ProcessIo("wchar:"); }
uint64_t BytesReadByProcess() { return ProcessIo("rchar:"); }

std::vector<std::string> Engines() {
  std::vector<std::string> engines = {"siltfs"};
#ifdef SILT_BENCH_LEVELDB
  engines.push_back("leveldb");
#endif
#ifdef SILT_BENCH_ROCKSDB
  engines.push_back("rocksdb");
#endif
  engines.push_back("pwrite");
  return engines;
}

std::unique_ptr<KvStore> OpenStore(const std::string& engine, const StoreOptions& options) {
  if (engine == "siltfs") return OpenSiltfs(options);
#ifdef SILT_BENCH_LEVELDB
  if (engine == "leveldb") return OpenLevelDb(options);
#endif
#ifdef SILT_BENCH_ROCKSDB
  if (engine == "rocksdb") return OpenRocksDb(options);
#endif
  if (engine == "pwrite") return OpenPwrite(options);
  return nullptr;
}

}  // namespace silt::bench
