// siltfs debug
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "mount/cli.h"
#include "mount/debug_files.h"
#include "mount/key_dump.h"
#include "mount/open_store.h"
#include "mount/service.h"

namespace silt::mount {
namespace {

using lsm::Status;

void PrintLine(const std::string& line) {
  fmt::print("{}\n", line);
}

struct Detail {
  bool blocks = false;
  bool entries = false;
};

Status DumpOne(DebugFile kind, const std::string& file, const Detail& detail) {
  switch (kind) {
    case DebugFile::kManifest:
      return DumpManifest(file, &PrintLine);
    case DebugFile::kWal:
      return DumpWal(file, &PrintLine);
    case DebugFile::kTable:
      break;
  }
  return DumpTable(file, detail.blocks, detail.entries, &PrintLine);
}

int DumpFiles(DebugFile kind, const std::string& path, const Detail& detail) {
  std::error_code ignored;
  std::string place = path;
  if (std::filesystem::is_directory(path, ignored)) {
    if (auto target = ResolveTarget(path)) place = target->store;
  }
  auto files = FilesToDump(kind, place);
  if (!files) return Complain("debug", path, files.error());
  int exit_code = kExitOk;
  for (const std::string& file : *files) {
    if (files->size() > 1 || file != path) PrintLine(file + ":");
    Status status = DumpOne(kind, file, detail);
    // A store that is mounted goes on deleting files while they are listed.
    if (!status.ok()) exit_code = Complain("debug", file, status);
  }
  return exit_code;
}

int DumpAllKeys(const std::string& path, const nlohmann::json& request) {
  VerbCall call{.verb = "debug", .path = path, .request = request, .on_event = {}, .direct = {}, .show = {}};
  call.on_event = [](const nlohmann::json& event) {
    if (auto line = event.find("line"); line != event.end()) PrintLine(line->get<std::string>());
  };
  call.direct = [&](const std::string& store) -> lsm::Result<nlohmann::json> {
    auto db = OpenEngine(store, Access::kReadOnly, "debug");
    if (!db) return Fail(db.error());
    return ListKeys(**db, request, call.on_event);
  };
  call.show = [](const nlohmann::json&) { return kExitOk; };
  return Call(call);
}

}  // namespace

int RunDebug(const Words& words) {
  std::string path;
  std::string prefix;
  std::string family;
  uint64_t limit = 0;
  Detail detail;
  CLI::App app("Looks inside a store. Changes nothing.", "siltfs debug");
  app.require_subcommand(1);
  CLI::App* manifest = app.add_subcommand("manifest", "the record of live files: each edit of the MANIFEST");
  CLI::App* table = app.add_subcommand("table", "sorted tables: properties, range tombstones, entries");
  CLI::App* wal = app.add_subcommand("wal", "write-ahead logs: each batch");
  CLI::App* keys = app.add_subcommand("keys", "what the store holds, key by key");
  for (CLI::App* files : {manifest, table, wal}) {
    files->add_option("STORE|FILE", path, "a store, or one of its files")->required();
  }
  table->add_flag("--blocks", detail.blocks, "also each block");
  table->add_flag("--entries", detail.entries, "also each entry");
  keys->add_option("STORE|MOUNTPOINT", path, "the store, or where it is mounted")->required();
  keys->add_option("--family", family, "only this one: meta or data")->check(CLI::IsMember({"meta", "data"}));
  keys->add_option("--prefix", prefix, "only keys that begin so: a letter (I, N, E, X, O, S in meta) or 0xHEX");
  keys->add_option("--limit", limit, "at most so many");
  app.footer(
      "Examples:\n  siltfs debug manifest /srv/store\n  siltfs debug table --entries /srv/store/000012.sst\n"
      "  siltfs debug wal /srv/store\n  siltfs debug keys --prefix I --limit 20 /mnt");
  const std::array<CLI::App*, 4> parts = {manifest, table, wal, keys};
  auto named = [&](const CLI::App* part) { return part->get_name() == words[0]; };
  if (!words.empty() && !words[0].starts_with('-') && std::none_of(parts.begin(), parts.end(), named)) {
    return Complain("debug", words[0], "give manifest, table, wal or keys first; see siltfs debug --help"), kExitUsage;
  }
  if (auto exit_code = ParseArguments(app, "debug", words)) return *exit_code;

  if (manifest->parsed()) return DumpFiles(DebugFile::kManifest, path, detail);
  if (table->parsed()) return DumpFiles(DebugFile::kTable, path, detail);
  if (wal->parsed()) return DumpFiles(DebugFile::kWal, path, detail);
  if (!ParseKeyPrefix(prefix)) return Complain("debug", prefix, "no hex number"), kExitUsage;
  int family_number = family.empty() ? -1 : family == "meta" ? 0 : 1;
  return DumpAllKeys(path, {{"verb", "keys"}, {"family", family_number}, {"prefix", prefix}, {"limit", limit}});
}

}  // namespace silt::mount
