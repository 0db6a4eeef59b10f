// ACLs of inodes. An access ACL is kept only where it says more than the mode, and what it shares with the mode (owner,
// mask, others) is read from there: so chmod has nothing to keep in step.
#include "fs/acl.h"
#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

Result<std::string> Store::AccessAclAsSeen(InodeNumber ino, const InodeRecord& record, std::string_view stored) {
  auto acl = Acl::Decode(stored);
  if (!acl) return records_.Damaged(ino, "its access ACL does not decode");
  acl->SetPermissionBits(record.mode);
  return acl->Encode();
}

Outcome Store::SetAcl(InodeNumber ino, InodeRecord* record, std::string_view name, std::string_view value,
                      lsm::WriteBatch* batch) {
  if (record->IsSymlink()) return Fail(EOPNOTSUPP);
  auto acl = Acl::Decode(value);
  if (!acl) return Fail(EINVAL);
  if (name == kDefaultAclName) {
    if (!record->IsDirectory()) return Fail(EACCES);
    PutXattr(ino, name, value, record, batch);
    return {};
  }
  PutAccessAcl(ino, *acl, record, batch);
  return {};
}

Result<bool> Store::HasAcl(InodeNumber ino, const InodeRecord& record, std::string_view name,
                           const std::optional<std::string>& stored, std::string_view value) {
  auto acl = Acl::Decode(value);
  if (!acl || record.IsSymlink()) return false;
  if (name == kDefaultAclName) {
    auto now = Acl::Decode(stored.value_or(""));
    return now && now->Encode() == acl->Encode();
  }
  if (acl->PermissionBits() != (record.mode & 0777u) || acl->IsExtended() != stored.has_value()) return false;
  if (!stored) return true;
  auto now = AccessAclAsSeen(ino, record, *stored);
  if (!now) return tl::unexpected(now.error());
  return *now == acl->Encode();
}

void Store::PutAccessAcl(InodeNumber ino, const Acl& acl, InodeRecord* record, lsm::WriteBatch* batch) {
  record->mode = (record->mode & ~0777u) | acl.PermissionBits();
  if (acl.IsExtended()) {
    PutXattr(ino, kAccessAclName, acl.Encode(), record, batch);
  } else if (record->flags & schema::kHasXattrs) {
    batch->Delete(schema::kMeta, schema::XattrKey(ino, kAccessAclName));
  }
}

Outcome Store::InheritPermissions(InodeNumber parent, const InodeRecord& parent_record, uint32_t umask, InodeNumber ino,
                                  InodeRecord* record, lsm::WriteBatch* batch) {
  if (record->IsSymlink()) return {};
  auto value = FindXattr(parent, parent_record, kDefaultAclName);
  if (!value) return tl::unexpected(value.error());
  if (!*value) {
    record->mode &= ~(umask & 0777u);
    return {};
  }
  auto acl = Acl::Decode(**value);
  if (!acl) return records_.Damaged(parent, "its default ACL does not decode");
  record->mode = acl->Inherit(record->mode);
  PutAccessAcl(ino, *acl, record, batch);
  if (record->IsDirectory()) PutXattr(ino, kDefaultAclName, **value, record, batch);
  return {};
}

}  // namespace silt::fs
