// The superblock: there, readable, and of a format that this program knows. A lost one is made again.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>

#include "fs/check_context.h"

namespace silt::fs::check {
namespace {

using lsm::Result;
using lsm::Status;
using schema::kData;
using schema::kMeta;

constexpr uint64_t kFilesAsked = 100'000;

// Data keys and file sizes say what the block size was: no value is longer than a block, no file's last byte lies
// before its last block, and most files end in their last block. The candidate for which most files do wins.
Result<uint32_t> GuessBlockSize(const View& view) {
  constexpr std::array<uint32_t, 5> kSizes = {4096, 8192, 16384, 32768, 65536};
  std::array<uint64_t, kSizes.size()> votes{};
  size_t longest = 0;
  auto inodes = view.Scan(kMeta, schema::AllOf(schema::KeyKind::kInode));
  auto data = view.ScanAll(kData);
  for (uint64_t asked = 0; inodes->Valid() && asked < kFilesAsked; inodes->Next()) {
    auto key = schema::ParseMetaKey(inodes->key());
    auto record = schema::InodeRecord::Decode(inodes->value());
    if (!key || !record || !record->IsRegular() || record->size == 0) continue;
    data->Seek(schema::DataKey(key->ino, 0));
    uint64_t last = 0;
    bool any = false;
    for (; data->Valid(); data->Next()) {
      auto block = schema::ParseDataKey(data->key());
      if (!block || block->ino != key->ino) break;
      longest = std::max(longest, data->value().size());
      if (!data->value().empty()) last = block->block;
      any = true;
    }
    if (!data->Valid() && !data->status().ok()) return lsm::Fail(data->status());
    if (!any) continue;
    ++asked;
    for (size_t i = 0; i < kSizes.size(); ++i) {
      if ((record->size - 1) / kSizes[i] == last) ++votes[i];
    }
  }
  if (!inodes->Valid() && !inodes->status().ok()) return lsm::Fail(inodes->status());
  size_t best = 0;
  for (size_t i = 0; i < kSizes.size(); ++i) {
    bool better = kSizes[best] < longest || votes[i] > votes[best];
    if (kSizes[i] >= longest && better) best = i;
  }
  return kSizes[best];
}

Status Rebuild(Context* context, const View& view, std::string_view what) {
  auto block_size = GuessBlockSize(view);
  if (!block_size) return block_size.error();
  context->superblock = {};
  context->superblock_is_new = true;
  context->superblock.block_size = *block_size;
  std::random_device random;
  for (uint8_t& byte : context->superblock.uuid) byte = static_cast<uint8_t>(random());
  context->problems.OfStore(
      fmt::format("the superblock {}", what),
      fmt::format("made anew, with a new uuid and blocks of {} bytes, as the files look", *block_size));
  context->mender.Put(kMeta, schema::SuperblockKey(), context->superblock.Encode());
  return Status::Ok();
}

// Walks what lies between the ranges of the known kinds.
Status CheckStrayKeys(Context* context, const View& view) {
  auto keys = view.ScanAll(kMeta);
  while (keys->Valid()) {
    std::string_view key = keys->key();
    char kind = key.empty() ? '\0' : key.front();
    if (std::string_view("EINOPX").find(kind) != std::string_view::npos) {
      keys->Seek(schema::AllOf(static_cast<schema::KeyKind>(kind)).end);
      continue;
    }
    if (key != schema::SuperblockKey()) {
      context->MalformedKey(kMeta, key);
      SILT_RETURN_IF_ERROR(context->mender.Step());
    }
    keys->Next();
  }
  return keys->status();
}

}  // namespace

Status CheckSuperblock(Context* context) {
  View view(context->db);
  auto value = view.Get(kMeta, schema::SuperblockKey());
  if (!value && value.error().code() != lsm::StatusCode::kNotFound) return value.error();
  auto record = value ? schema::SuperblockRecord::Decode(*value) : std::nullopt;
  if (!record) {
    SILT_RETURN_IF_ERROR(Rebuild(context, view, value ? "is damaged" : "is missing"));
  } else {
    if (record->format_version > schema::kFormatVersion) {
      return Status::NotSupported(fmt::format("the store's format is version {}, this program knows up to {}",
                                              record->format_version, schema::kFormatVersion));
    }
    if (record->features_incompatible != 0 || record->features_read_only != 0) {
      return Status::NotSupported("the store uses features that this program does not know: check it with a newer one");
    }
    context->superblock = *record;
    if (record->format_version < schema::kFormatVersion) {
      context->superblock.format_version = schema::kFormatVersion;
      context->mender.Put(kMeta, schema::SuperblockKey(), context->superblock.Encode());
    }
  }
  return CheckStrayKeys(context, view);
}

}  // namespace silt::fs::check
