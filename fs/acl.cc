#include "fs/acl.h"

#include <algorithm>

#include "lsm/coding.h"

namespace silt::fs {
namespace {

constexpr uint32_t kVersion = 2;
constexpr size_t kHeadBytes = 4;
constexpr size_t kEntryBytes = 8;
constexpr uint32_t kNoId = UINT32_MAX;

}  // namespace

std::optional<Acl> Acl::Decode(std::string_view value) {
  uint32_t version = 0;
  if (value.size() > kMaxValueBytes || !lsm::GetFixed(&value, &version) || version != kVersion) return std::nullopt;
  Acl acl;
  while (!value.empty()) {
    uint16_t tag = 0;
    Entry entry{};
    bool whole =
        lsm::GetFixed(&value, &tag) && lsm::GetFixed(&value, &entry.permissions) && lsm::GetFixed(&value, &entry.id);
    if (!whole) return std::nullopt;
    entry.tag = static_cast<Tag>(tag);
    acl.entries_.push_back(entry);
  }
  return acl.IsValid() ? std::optional(std::move(acl)) : std::nullopt;
}

std::string Acl::Encode() const {
  std::string out;
  out.reserve(kHeadBytes + kEntryBytes * entries_.size());
  lsm::PutFixed<uint32_t>(&out, kVersion);
  for (const Entry& entry : entries_) {
    lsm::PutFixed<uint16_t>(&out, static_cast<uint16_t>(entry.tag));
    lsm::PutFixed<uint16_t>(&out, entry.permissions);
    lsm::PutFixed<uint32_t>(&out, entry.tag == Tag::kUser || entry.tag == Tag::kNamedGroup ? entry.id : kNoId);
  }
  return out;
}

bool Acl::IsValid() const {
  size_t owners = 0, groups = 0, masks = 0, others = 0, named = 0;
  for (const Entry& entry : entries_) {
    if (entry.permissions > 7) return false;
    switch (entry.tag) {
      case Tag::kOwner:
        ++owners;
        break;
      case Tag::kGroup:
        ++groups;
        break;
      case Tag::kMask:
        ++masks;
        break;
      case Tag::kOther:
        ++others;
        break;
      case Tag::kUser:
      case Tag::kNamedGroup:
        ++named;
        if (entry.id == kNoId) return false;
        break;
      default:
        return false;
    }
  }
  // Who checks a permission takes the first entry that fits: so they stand in the order of their tags.
  bool ordered =
      std::is_sorted(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.tag < b.tag; });
  return ordered && owners == 1 && groups == 1 && others == 1 && masks <= 1 && (named == 0 || masks == 1);
}

const Acl::Entry* Acl::Find(Tag tag) const {
  auto at = std::find_if(entries_.begin(), entries_.end(), [tag](const Entry& entry) { return entry.tag == tag; });
  return at == entries_.end() ? nullptr : &*at;
}

bool Acl::IsExtended() const {
  return Find(Tag::kMask) != nullptr;  // whoever names somebody has a mask
}

uint32_t Acl::PermissionBits() const {
  return static_cast<uint32_t>(Find(Tag::kOwner)->permissions) << 6 |
         static_cast<uint32_t>(Find(GroupClass())->permissions) << 3 | Find(Tag::kOther)->permissions;
}

void Acl::SetPermissionBits(uint32_t mode) {
  Find(Tag::kOwner)->permissions = static_cast<uint16_t>(mode >> 6 & 7);
  Find(GroupClass())->permissions = static_cast<uint16_t>(mode >> 3 & 7);
  Find(Tag::kOther)->permissions = static_cast<uint16_t>(mode & 7);
}

uint32_t Acl::Inherit(uint32_t mode) {
  SetPermissionBits(PermissionBits() & mode);
  return (mode & ~0777u) | PermissionBits();
}

}  // namespace silt::fs
