// Directories: every name (N) has its listing entry (E) and the other way round, each leads to an inode of the type
// that it says, a directory has one entry. Counts the links that the later passes compare with the records.
//
// One directory at a time. Its N records go into an array that is sorted by entry id, which is how the E records come:
// pairs match in one walk of each. What is left over on either side is a claim ("this name means that inode"), and the
// claims of a directory are settled among themselves: those that lead to an inode of their type first, then names
// before entries, as names are what lookups went by.
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <set>

#include "fs/check_context.h"

namespace silt::fs::check {
namespace {

using lsm::Status;
using schema::kData;
using schema::KeyKind;
using schema::kMeta;

uint64_t HashOf(std::string_view name) {
  return XXH3_64bits(name.data(), name.size());
}

struct NameRef {
  uint64_t entry_id = 0;
  InodeNumber ino = 0;
  uint64_t name_hash = 0;
  uint16_t type = 0;
  bool matched = false;
};

struct Claim {
  InodeNumber directory = 0;
  uint64_t id = 0;  // 0: needs a new one
  std::string name;
  InodeNumber ino = 0;
  uint32_t type = 0;
  bool from_name = true;  // it was an N key that said so
};

class EntryPass {
 public:
  explicit EntryPass(Context* context) : context_(*context), view_(context->db) {}
  Status Run();

 private:
  std::optional<InodeNumber> Head(lsm::Iterator* keys);
  Status CheckDirectory(InodeNumber directory);
  Status DropContents(InodeNumber directory, lsm::Iterator* names, lsm::Iterator* entries);
  Status ReadNames(InodeNumber directory);
  Status MatchEntries(InodeNumber directory);
  bool Match(uint64_t id, const schema::EntryRecord& entry);
  Status CollectUnmatchedNames(InodeNumber directory);
  Status Settle(InodeNumber directory);
  Status SettleClaim(Claim claim);
  bool IdIsTaken(uint64_t id) const;
  bool NameIsMatched(InodeNumber directory, const std::string& name) const;
  bool LeadsToItsType(const Claim& claim);

  Status Accept(const Claim& claim, bool write);
  bool AcceptDirectory(const Claim& claim, Status* status);
  lsm::Result<Node*> Target(const Claim& claim);
  void EnsureDirectory(InodeNumber directory);
  Node* RebuildDirectory(InodeNumber ino);
  lsm::Result<Node*> RebuildFile(InodeNumber ino);
  void Drop(const Claim& claim, std::string why);
  Status GiveNumbers();

  Context& context_;
  View view_;
  std::unique_ptr<lsm::Iterator> names_, entries_;

  // Of the directory at hand.
  std::vector<NameRef> refs_;
  std::vector<Claim> claims_;
  std::set<std::string, std::less<>> taken_names_;
  std::set<uint64_t> taken_ids_;

  std::vector<Claim> numberless_;  // accepted claims that wait for an entry id
};

// The directory of the key that the cursor stands on; keys that no program can have written are passed over.
std::optional<InodeNumber> EntryPass::Head(lsm::Iterator* keys) {
  for (; keys->Valid(); keys->Next()) {
    auto key = schema::ParseMetaKey(keys->key());
    if (key && key->entry_id < schema::kLastNumber) return key->ino;
    context_.MalformedKey(kMeta, keys->key());
  }
  return std::nullopt;
}

Status EntryPass::Run() {
  names_ = view_.Scan(kMeta, schema::AllOf(KeyKind::kName));
  entries_ = view_.Scan(kMeta, schema::AllOf(KeyKind::kEntry));
  while (true) {
    auto name = Head(names_.get()), entry = Head(entries_.get());
    SILT_RETURN_IF_ERROR(names_->status());
    SILT_RETURN_IF_ERROR(entries_->status());
    if (!name && !entry) break;
    SILT_RETURN_IF_ERROR(CheckDirectory(!name ? *entry : !entry ? *name : std::min(*name, *entry)));
    SILT_RETURN_IF_ERROR(context_.mender.Step());
  }
  context_.CheckHighWaterMark();
  return GiveNumbers();
}

Status EntryPass::CheckDirectory(InodeNumber directory) {
  Node* node = context_.nodes.Find(directory);
  if (node != nullptr && node->type != S_IFDIR) return DropContents(directory, names_.get(), entries_.get());
  refs_.clear();
  claims_.clear();
  taken_names_.clear();
  taken_ids_.clear();
  SILT_RETURN_IF_ERROR(ReadNames(directory));
  SILT_RETURN_IF_ERROR(MatchEntries(directory));
  SILT_RETURN_IF_ERROR(CollectUnmatchedNames(directory));
  return Settle(directory);
}

Status EntryPass::DropContents(InodeNumber directory, lsm::Iterator* names, lsm::Iterator* entries) {
  context_.problems.OfInode(directory, "has directory entries and is no directory", "entries removed");
  for (auto [keys, range] : {std::pair(names, schema::NamesOf(directory)), {entries, schema::EntriesOf(directory)}}) {
    context_.mender.DeleteRange(kMeta, range);
    if (keys->Valid() && keys->key() < range.end) keys->Seek(range.end);
    if (!keys->Valid()) SILT_RETURN_IF_ERROR(keys->status());
  }
  return Status::Ok();
}

Status EntryPass::ReadNames(InodeNumber directory) {
  for (; Head(names_.get()) == directory; names_->Next()) {
    context_.meter.Add(names_->key().size() + names_->value().size());
    auto key = schema::ParseMetaKey(names_->key());
    auto record = schema::NameRecord::Decode(names_->value());
    if (!record || record->entry_id >= schema::kLastNumber) {
      context_.problems.OfEntry(directory, key->name, "the name record is damaged",
                                "removed, or rebuilt from the listing");
      context_.mender.Delete(kMeta, names_->key());
      if (Node* node = context_.nodes.Find(directory)) node->flags |= kTouched;
      continue;
    }
    refs_.push_back({.entry_id = record->entry_id,
                     .ino = record->ino,
                     .name_hash = HashOf(key->name),
                     .type = static_cast<uint16_t>(record->type),
                     .matched = false});
  }
  std::sort(refs_.begin(), refs_.end(), [](const NameRef& a, const NameRef& b) { return a.entry_id < b.entry_id; });
  return names_->status();
}

bool EntryPass::Match(uint64_t id, const schema::EntryRecord& entry) {
  auto ref = std::lower_bound(refs_.begin(), refs_.end(), id,
                              [](const NameRef& r, uint64_t wanted) { return r.entry_id < wanted; });
  uint64_t hash = HashOf(entry.name);
  for (; ref != refs_.end() && ref->entry_id == id; ++ref) {
    if (ref->name_hash != hash || ref->ino != entry.ino || ref->type != entry.type) continue;
    ref->matched = true;
    return true;
  }
  return false;
}

Status EntryPass::MatchEntries(InodeNumber directory) {
  for (; Head(entries_.get()) == directory; entries_->Next()) {
    context_.meter.Add(entries_->key().size() + entries_->value().size());
    uint64_t id = schema::ParseMetaKey(entries_->key())->entry_id;
    auto record = schema::EntryRecord::Decode(entries_->value());
    if (!record) {
      context_.problems.OfInode(directory, fmt::format("the listing entry {} is damaged", id),
                                "removed, or rebuilt from the name");
      context_.mender.Delete(kMeta, entries_->key());
      if (Node* node = context_.nodes.Find(directory)) node->flags |= kTouched;
      continue;
    }
    Claim claim{.directory = directory,
                .id = id,
                .name = std::string(record->name),
                .ino = record->ino,
                .type = record->type,
                .from_name = false};
    if (Match(id, *record)) {
      SILT_RETURN_IF_ERROR(Accept(claim, false));
    } else {
      claims_.push_back(std::move(claim));
    }
  }
  return entries_->status();
}

Status EntryPass::CollectUnmatchedNames(InodeNumber directory) {
  if (std::all_of(refs_.begin(), refs_.end(), [](const NameRef& ref) { return ref.matched; })) return Status::Ok();
  auto names = view_.Scan(kMeta, schema::NamesOf(directory));
  for (; names->Valid(); names->Next()) {
    auto key = schema::ParseMetaKey(names->key());
    auto record = schema::NameRecord::Decode(names->value());
    if (!key || !record || record->entry_id >= schema::kLastNumber) continue;
    if (NameIsMatched(directory, std::string(key->name))) continue;
    claims_.push_back({.directory = directory,
                       .id = record->entry_id,
                       .name = std::string(key->name),
                       .ino = record->ino,
                       .type = record->type,
                       .from_name = true});
  }
  return names->status();
}

bool EntryPass::IdIsTaken(uint64_t id) const {
  if (taken_ids_.contains(id)) return true;
  auto ref = std::lower_bound(refs_.begin(), refs_.end(), id,
                              [](const NameRef& r, uint64_t wanted) { return r.entry_id < wanted; });
  for (; ref != refs_.end() && ref->entry_id == id; ++ref) {
    if (ref->matched) return true;
  }
  return false;
}

// True if the name's N key has found its E key.
bool EntryPass::NameIsMatched(InodeNumber directory, const std::string& name) const {
  auto value = view_.Get(kMeta, schema::NameKey(directory, name));
  auto record = value ? schema::NameRecord::Decode(*value) : std::nullopt;
  if (!record) return false;
  uint64_t hash = HashOf(name);
  auto ref = std::lower_bound(refs_.begin(), refs_.end(), record->entry_id,
                              [](const NameRef& r, uint64_t wanted) { return r.entry_id < wanted; });
  for (; ref != refs_.end() && ref->entry_id == record->entry_id; ++ref) {
    if (ref->name_hash == hash && ref->matched) return true;
  }
  return false;
}

bool EntryPass::LeadsToItsType(const Claim& claim) {
  const Node* node = context_.nodes.Find(claim.ino);
  return node != nullptr && node->type == claim.type;
}

Status EntryPass::Settle(InodeNumber directory) {
  if (claims_.empty()) return Status::Ok();
  if (Node* node = context_.nodes.Find(directory)) node->flags |= kTouched;
  // Stable and by what does not change under our hands: an inode that is rebuilt meanwhile does not move its claims.
  std::vector<std::pair<int, size_t>> order;
  for (size_t i = 0; i < claims_.size(); ++i) {
    int rank = (LeadsToItsType(claims_[i]) ? 0 : 2) + (claims_[i].from_name ? 0 : 1);
    order.emplace_back(rank, i);
  }
  std::sort(order.begin(), order.end());
  for (auto [rank, index] : order) {
    SILT_RETURN_IF_ERROR(SettleClaim(std::move(claims_[index])));
    SILT_RETURN_IF_ERROR(context_.mender.Step());
  }
  return Status::Ok();
}

Status EntryPass::SettleClaim(Claim claim) {
  bool id_taken = IdIsTaken(claim.id);
  bool name_taken =
      taken_names_.contains(claim.name) || (!claim.from_name && NameIsMatched(claim.directory, claim.name));
  if (name_taken) {
    // Whoever took the name overwrote this claim's N key; the E key goes unless it was overwritten too.
    if (claim.from_name || id_taken) return Status::Ok();
    context_.problems.OfEntry(claim.directory, claim.name, fmt::format("a second listing entry ({})", claim.id),
                              "removed");
    context_.mender.Delete(kMeta, schema::EntryKey(claim.directory, claim.id));
    return Status::Ok();
  }
  context_.problems.OfEntry(
      claim.directory, claim.name,
      claim.from_name ? "the name and the listing do not agree" : "listed, but cannot be looked up",
      claim.from_name ? "listing mended" : "name mended");
  taken_names_.insert(claim.name);
  if (id_taken) {
    claim.id = 0;
  } else {
    taken_ids_.insert(claim.id);
  }
  return Accept(claim, true);
}

// Takes an entry for good if it leads anywhere; `write`: its keys are not (both) as they should be.
Status EntryPass::Accept(const Claim& claim, bool write) {
  if (claim.name == "." || claim.name == ".." ||
      claim.name.find_first_of(std::string_view("/\0", 2)) != claim.name.npos) {
    Drop(claim, "a name that no file may have");
    return Status::Ok();
  }
  if (claim.ino == kRootInode) {
    Drop(claim, "an entry that names the root directory");
    return Status::Ok();
  }
  auto target = Target(claim);
  if (!target) return target.error();
  if (*target == nullptr) {
    Drop(claim, fmt::format("inode {} does not exist", claim.ino));
    return Status::Ok();
  }
  EnsureDirectory(claim.directory);
  uint32_t type = (*target)->type;
  if (type == S_IFDIR) {
    Status status;
    if (!AcceptDirectory(claim, &status)) return status;
    ++context_.nodes.FindDirectory(claim.directory)->subdirectories;
  } else if ((*target)->links < UINT32_MAX) {
    ++(*target)->links;
  }
  ++context_.nodes.FindDirectory(claim.directory)->entries;
  if (type != claim.type) {
    context_.problems.OfEntry(claim.directory, claim.name,
                              fmt::format("is a {}, listed as {}", TypeName(type), TypeName(claim.type)), "set");
    write = true;
  }
  if (write && type == S_IFDIR) context_.settled_names[claim.ino] = claim.name;
  context_.Saw(claim.id);
  if (claim.id == 0) {
    numberless_.push_back(claim);
    numberless_.back().type = type;
  } else if (write) {
    context_.PutEntry(claim.directory, claim.id, claim.name, claim.ino, type);
  }
  return Status::Ok();
}

// A directory keeps one entry: where its record says its parent is, else the first that is found.
bool EntryPass::AcceptDirectory(const Claim& claim, Status* status) {
  DirectoryNode* target = context_.nodes.FindDirectory(claim.ino);
  if (target->found_parent != 0) {
    if (target->recorded_parent != claim.directory || target->found_parent == claim.directory) {
      Drop(claim, fmt::format("directory {} has another entry already", claim.ino));
      return false;
    }
    context_.problems.OfInode(
        claim.ino, fmt::format("has entries in the directories {} and {}", target->found_parent, claim.directory),
        fmt::format("the entry in {} removed", target->found_parent));
    std::erase_if(numberless_, [&](const Claim& other) { return other.ino == claim.ino; });
    *status = context_.DropEntryOf(view_, target);
    if (!status->ok()) return false;
  }
  target->found_parent = claim.directory;
  target->found_entry = claim.id;
  return true;
}

// The inode that the claim leads to. One whose record is lost is rebuilt where something of it is left: a directory
// that has entries, a file that has data. nullptr: there is none.
lsm::Result<Node*> EntryPass::Target(const Claim& claim) {
  if (Node* node = context_.nodes.Find(claim.ino)) return node;
  if (claim.ino >= schema::kLastNumber) return nullptr;
  if (claim.type == S_IFREG) return RebuildFile(claim.ino);
  if (claim.type != S_IFDIR) return nullptr;
  auto names = view_.Any(kMeta, schema::NamesOf(claim.ino));
  auto entries = view_.Any(kMeta, schema::EntriesOf(claim.ino));
  if (!names) return lsm::Fail(names.error());
  if (!entries) return lsm::Fail(entries.error());
  return *names || *entries ? RebuildDirectory(claim.ino) : nullptr;
}

void EntryPass::EnsureDirectory(InodeNumber directory) {
  if (context_.nodes.Find(directory) == nullptr) RebuildDirectory(directory);
}

Node* EntryPass::RebuildDirectory(InodeNumber ino) {
  auto record = context_.NewInode(S_IFDIR | 0700, 2, schema::kDirectoryWasLarge | schema::kHasXattrs);
  context_.problems.OfInode(ino, "the directory's inode is missing, its entries are there",
                            "made anew, with mode 0700");
  context_.mender.Put(kMeta, schema::InodeKey(ino), record.Encode());
  context_.nodes.AddLateDirectory({.ino = ino, .recorded_parent = 0});
  context_.Saw(ino);
  return context_.nodes.AddLate({.ino = ino, .links = 0, .type = S_IFDIR, .flags = kTouched | kRebuilt});
}

lsm::Result<Node*> EntryPass::RebuildFile(InodeNumber ino) {
  auto blocks = view_.Scan(kData, schema::BlocksOf(ino));
  if (blocks->Valid()) blocks->SeekToLast();
  if (!blocks->status().ok()) return lsm::Fail(blocks->status());
  auto last = blocks->Valid() ? schema::ParseDataKey(blocks->key()) : std::nullopt;
  if (!last) return nullptr;
  constexpr uint32_t kFlags = schema::kBlocksBeyondEnd | schema::kHasXattrs;
  auto record = context_.NewInode(S_IFREG | 0600, 1, kFlags);
  uint64_t limit = schema::kMaxFileSize / context_.superblock.block_size;
  record.size = last->block >= limit ? 0 : last->block * context_.superblock.block_size + blocks->value().size();
  context_.problems.OfInode(ino, "the file's inode is missing, its data are there", "made anew, with mode 0600");
  context_.mender.Put(kMeta, schema::InodeKey(ino), record.Encode());
  context_.Saw(ino);
  return context_.nodes.AddLate({.ino = ino, .links = 0, .type = S_IFREG, .flags = kTouched | kRebuilt});
}

void EntryPass::Drop(const Claim& claim, std::string why) {
  context_.problems.OfEntry(claim.directory, claim.name, std::move(why), "entry removed");
  context_.DeleteEntry(claim.directory, claim.id, claim.name);
  if (Node* node = context_.nodes.Find(claim.directory)) node->flags |= kTouched;
}

// Numbers can be given only now that the highest in use is known.
Status EntryPass::GiveNumbers() {
  if (!context_.mender.enabled()) return Status::Ok();
  for (const Claim& claim : numberless_) {
    auto id = context_.NewNumber();
    if (!id) return id.error();
    context_.PutEntry(claim.directory, *id, claim.name, claim.ino, claim.type);
    DirectoryNode* target = context_.nodes.FindDirectory(claim.ino);
    if (target != nullptr && target->found_parent == claim.directory) target->found_entry = *id;
    SILT_RETURN_IF_ERROR(context_.mender.Step());
  }
  return Status::Ok();
}

}  // namespace

Status CheckEntries(Context* context) {
  Status status = EntryPass(context).Run();
  context->nodes.Settle();
  return status;
}

}  // namespace silt::fs::check
