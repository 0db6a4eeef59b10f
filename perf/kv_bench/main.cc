// kv_bench: the engine beside LevelDB and RocksDB, on the same workloads with the same settings.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "perf/kv_bench/workload.h"

namespace silt::bench {
namespace {

struct Settings {
  std::string engine = "siltfs";
  std::vector<std::string> benchmarks = {"fillseq", "fillrandom", "overwrite", "readrandom", "readmissing",
                                         "readhot", "seekrandom", "readseq",   "readreverse"};
  StoreOptions store;
  LoadOptions load;
  bool use_existing = false;
  bool keep = false;
  bool json = false;
  bool list = false;
};

void PrintLine(const Result& r) {
  std::string notes;
  if (r.found) notes += fmt::format("  found {} of {}", *r.found, r.operations);
  if (r.write_amplification) {
    notes += fmt::format("  write amp {:.2f}  settle {:.1f} s", *r.write_amplification, r.settle_seconds);
  }
  if (r.space_amplification) notes += fmt::format("  space amp {:.2f}", *r.space_amplification);
  if (r.read_amplification) notes += fmt::format("  read amp {:.2f}", *r.read_amplification);
  if (r.emulated) notes += "  (emulated)";
  const Histogram& h = r.latencies;
  fmt::print("{:<17}: {:>10.0f} ops/s {:>8.1f} MB/s  us p50 {:.2f} p99 {:.2f} p99.9 {:.2f} max {:.0f}{}\n", r.workload,
             r.OperationsPerSecond(), r.MegabytesPerSecond(), h.Percentile(0.5) / 1e3, h.Percentile(0.99) / 1e3,
             h.Percentile(0.999) / 1e3, static_cast<double>(h.Max()) / 1e3, notes);
  std::fflush(stdout);
}

nlohmann::json ToJson(const Result& r) {
  const Histogram& h = r.latencies;
  nlohmann::json json = {{"workload", r.workload},
                         {"engine", r.engine},
                         {"threads", r.threads},
                         {"operations", r.operations},
                         {"seconds", r.seconds},
                         {"settle_seconds", r.settle_seconds},
                         {"ops_per_second", r.OperationsPerSecond()},
                         {"mb_per_second", r.MegabytesPerSecond()},
                         {"latency_us",
                          {{"mean", h.Mean() / 1e3},
                           {"p50", h.Percentile(0.5) / 1e3},
                           {"p99", h.Percentile(0.99) / 1e3},
                           {"p99.9", h.Percentile(0.999) / 1e3},
                           {"max", static_cast<double>(h.Max()) / 1e3}}},
                         {"emulated", r.emulated}};
  if (r.found) json["found"] = *r.found;
  if (r.write_amplification) json["write_amplification"] = *r.write_amplification;
  if (r.space_amplification) json["space_amplification"] = *r.space_amplification;
  if (r.read_amplification) json["read_amplification"] = *r.read_amplification;
  return json;
}

void AddOptions(CLI::App& app, Settings& s) {
  app.add_option("--engine", s.engine, "Engine to run")->check(CLI::IsMember(Engines()))->capture_default_str();
  app.add_option("--benchmarks", s.benchmarks, "Workloads to run, in this order, separated by commas")->delimiter(',');
  app.add_option("--db", s.store.path, "Directory of the store (default: a new one under the current directory)");
  app.add_option("--num", s.load.num, "Keys")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--ops", s.load.operations, "Operations of each workload, all threads together (default: --num)");
  app.add_option("--value_size", s.load.value_bytes, "Bytes of a value")->capture_default_str();
  app.add_option("--compression_ratio", s.load.compressibility, "Values compress to this share")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--threads", s.load.threads, "Threads")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--seed", s.load.seed, "Of keys and values")->capture_default_str();
  app.add_option("--batch", s.load.batch, "Operations of a batch")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seek_nexts", s.load.seek_nexts, "Entries read after a seek")->capture_default_str();
  app.add_option("--cache_size", s.store.cache_bytes, "Bytes of block cache")->capture_default_str();
  app.add_option("--write_buffer_size", s.store.memtable_bytes, "Bytes of a memtable")->capture_default_str();
  app.add_option("--block_size", s.store.block_bytes, "Bytes of a table's block")->capture_default_str();
  app.add_option("--file_size", s.store.table_bytes, "Bytes of a table")->capture_default_str();
  app.add_option("--bloom_bits", s.store.bloom_bits, "Filter bits a key")->capture_default_str();
  app.add_flag("!--no_compression", s.store.compress, "Store blocks raw (default: snappy)");
  app.add_flag("!--no_settle", s.load.settle, "Do not wait for compactions after workloads that write");
  app.add_flag("--use_existing", s.use_existing, "Never start a workload on an empty store");
  app.add_flag("--keep", s.keep, "Leave the store behind");
  app.add_flag("--json", s.json, "Print one JSON array instead of lines");
  app.add_flag("--list", s.list, "List workloads and engines");
}

void List() {
  for (const auto& workload : Workloads()) fmt::print("{:<17} {}\n", workload.name, workload.what);
  for (const auto& engine : Engines()) fmt::print("--engine={}\n", engine);
}

int Run(Settings s) {
  for (const auto& name : s.benchmarks) {
    if (FindWorkload(name) != nullptr) continue;
    fmt::print(stderr, "kv_bench: unknown workload '{}'; --list shows them\n", name);
    return 2;
  }
  if (s.store.path.empty()) s.store.path = fmt::format("kv_bench.{}.{}", s.engine, getpid());
  s.load.path = s.store.path;
  bool existed = std::filesystem::exists(s.store.path);
  if (existed && !s.use_existing) {
    fmt::print(stderr, "kv_bench: {} exists; give --use_existing or another --db\n", s.store.path);
    return 2;
  }
  nlohmann::json results = nlohmann::json::array();
  std::unique_ptr<KvStore> store;
  for (const auto& name : s.benchmarks) {
    const Workload& workload = *FindWorkload(name);
    if (workload.fresh && !s.use_existing) {
      store.reset();
      std::filesystem::remove_all(s.store.path);
    }
    if (!store) store = OpenStore(s.engine, s.store);
    Result result = RunWorkload(workload, s.engine, *store, s.load);
    if (s.json) {
      results.push_back(ToJson(result));
    } else {
      PrintLine(result);
    }
  }
  store.reset();
  if (s.json) fmt::print("{}\n", results.dump(2));
  if (!s.keep && !existed) std::filesystem::remove_all(s.store.path);
  return 0;
}

}  // namespace
}  // namespace silt::bench

int main(int argc, char** argv) {
  CLI::App app("Runs LevelDB-like workloads on siltfs's engine or on a peer");
  silt::bench::Settings settings;
  silt::bench::AddOptions(app, settings);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (settings.list) {
    silt::bench::List();
    return 0;
  }
  return silt::bench::Run(settings);
}
