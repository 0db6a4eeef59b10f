// Naming what is wrong by path.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "fs/check_context.h"
#include "fs/printable.h"

namespace silt::fs::check {
namespace {

using lsm::Status;
using schema::kMeta;

class PathFinder {
 public:
  PathFinder(const View& view, NodeTable* nodes) : view_(view), nodes_(nodes) {}

  // "" for the root. A directory that nothing leads to is "#12".
  std::string Directory(InodeNumber ino) {
    std::vector<InodeNumber> chain;  // from `ino` upwards: those whose path is not known yet
    std::string path;
    while (true) {
      if (ino == kRootInode) break;
      if (auto known = known_.find(ino); known != known_.end()) {
        path = known->second;
        break;
      }
      const DirectoryNode* node = nodes_->FindDirectory(ino);
      if (node == nullptr || node->found_parent == 0 || std::count(chain.begin(), chain.end(), ino) != 0) {
        path = fmt::format("#{}", ino);
        break;
      }
      chain.push_back(ino);
      ino = node->found_parent;
    }
    for (auto step = chain.rbegin(); step != chain.rend(); ++step) {
      const DirectoryNode* node = nodes_->FindDirectory(*step);
      auto name = view_.EntryName(node->found_parent, node->found_entry, *step);
      path += '/' + (name ? Printable(*name) : fmt::format("#{}", *step));
      Remember(*step, path);
    }
    return path;
  }

  std::string Entry(InodeNumber directory, std::string_view name) {
    return Directory(directory) + '/' + Printable(name);
  }

 private:
  void Remember(InodeNumber ino, const std::string& path) {
    if (known_.size() >= 10'000) known_.clear();
    known_[ino] = path;
  }
  const View& view_;
  NodeTable* nodes_;
  std::unordered_map<InodeNumber, std::string> known_;
};

struct Place {
  InodeNumber directory = 0;
  std::string name;
};

// Where the inodes of `wanted` (no directories) are listed: one walk over all names, and one over all entries for those
// that have lost theirs.
Status FindPlaces(const View& view, std::unordered_map<InodeNumber, Place>* wanted) {
  size_t missing = wanted->size();
  if (missing == 0) return Status::Ok();
  auto found = [&](InodeNumber ino, InodeNumber directory, std::string_view name) {
    auto place = wanted->find(ino);
    if (place == wanted->end() || place->second.directory != 0) return;
    place->second = {.directory = directory, .name = std::string(name)};
    --missing;
  };
  auto names = view.Scan(kMeta, schema::AllOf(schema::KeyKind::kName));
  for (; names->Valid() && missing > 0; names->Next()) {
    auto key = schema::ParseMetaKey(names->key());
    auto name = schema::NameRecord::Decode(names->value());
    if (key && name) found(name->ino, key->ino, key->name);
  }
  if (!names->Valid()) SILT_RETURN_IF_ERROR(names->status());
  if (missing == 0) return Status::Ok();
  auto entries = view.Scan(kMeta, schema::AllOf(schema::KeyKind::kEntry));
  for (; entries->Valid() && missing > 0; entries->Next()) {
    auto key = schema::ParseMetaKey(entries->key());
    auto entry = schema::EntryRecord::Decode(entries->value());
    if (key && entry) found(entry->ino, key->ino, entry->name);
  }
  return entries->Valid() ? Status::Ok() : entries->status();
}

}  // namespace

void Problems::Add(Problem problem) {
  if (list_.size() < kMaxListed) {
    list_.push_back(std::move(problem));
  } else {
    ++unlisted_;
  }
}

Status Problems::Tell(const View& view, NodeTable* nodes, CheckReport* report) {
  std::unordered_map<InodeNumber, Place> places;
  for (const Problem& problem : list_) {
    if (problem.ino != 0 && nodes->FindDirectory(problem.ino) == nullptr) places.emplace(problem.ino, Place{});
  }
  Status status = FindPlaces(view, &places);
  PathFinder paths(view, nodes);
  for (const Problem& problem : list_) {
    std::string line;
    if (problem.directory != 0) {
      line = paths.Entry(problem.directory, problem.name) + ": ";
    } else if (problem.ino != 0) {
      auto place = places.find(problem.ino);
      std::string path = place == places.end()          ? paths.Directory(problem.ino)
                         : place->second.directory != 0 ? paths.Entry(place->second.directory, place->second.name)
                                                        : fmt::format("#{}", problem.ino);
      line = fmt::format("{}: inode {}: ", path.empty() ? "/" : path, problem.ino);
    }
    line += problem.what;
    if (!problem.remedy.empty()) line += fmt::format(" ({}: {})", repair_ ? "repaired" : "repair", problem.remedy);
    report->problems.push_back({.what = std::move(line), .repaired = repair_});
  }
  list_.clear();
  report->unlisted += std::exchange(unlisted_, 0);
  return status;
}

}  // namespace silt::fs::check
