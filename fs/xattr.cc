// Extended attributes: user.*, security.* and trusted.* are kept as they come; the kernel has checked who may. ACLs
// (system.posix_acl_*) are tied to the mode: fs/acl_xattr.cc.
#include <sys/xattr.h>

#include "fs/acl.h"
#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

namespace {

constexpr size_t kMaxListBytes = 65536;  // what listxattr(2) can return

Outcome CheckXattrName(std::string_view name) {
  if (name.empty() || name.size() > schema::kMaxXattrNameBytes) return Fail(ERANGE);
  if (name.find('\0') != std::string_view::npos) return Fail(EINVAL);
  for (std::string_view space : {"user.", "trusted.", "security."}) {
    if (name.starts_with(space)) return name.size() > space.size() ? Outcome{} : Fail(EINVAL);
  }
  // What no namespace knows is refused, as elsewhere.
  return IsAclName(name) ? Outcome{} : Fail(EOPNOTSUPP);
}

}  // namespace

Result<std::optional<std::string>> Store::FindXattr(InodeNumber ino, const InodeRecord& record, std::string_view name) {
  if ((record.flags & schema::kHasXattrs) == 0) return std::nullopt;
  lsm::PinnedValue stored;
  auto found = records_.Get(ino, schema::kMeta, schema::XattrKey(ino, name), &stored);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return std::nullopt;
  auto value = schema::DecodeXattr(stored.view());
  if (!value) return records_.Damaged(ino, "an xattr does not decode");
  return std::string(*value);
}

void Store::PutXattr(InodeNumber ino, std::string_view name, std::string_view value, InodeRecord* record,
                     lsm::WriteBatch* batch) {
  record->flags |= schema::kHasXattrs;
  batch->Put(schema::kMeta, schema::XattrKey(ino, name), schema::XattrHead(), value);
}

Result<std::string> Store::GetXattr(InodeNumber ino, std::string_view name) {
  if (auto good = CheckXattrName(name); !good) return tl::unexpected(good.error());
  auto locked = Lock(ino, LockMode::kShared);
  if (!locked) return tl::unexpected(locked.error());
  auto value = FindXattr(ino, locked->record(), name);
  if (!value) return tl::unexpected(value.error());
  if (!*value) return Fail(ENODATA);
  if (name == kAccessAclName) return AccessAclAsSeen(ino, locked->record(), **value);
  return std::move(**value);
}

Result<std::vector<std::string>> Store::ListXattr(InodeNumber ino) {
  auto locked = Lock(ino, LockMode::kShared);
  if (!locked) return tl::unexpected(locked.error());
  std::vector<std::string> names;
  if ((locked->record().flags & schema::kHasXattrs) == 0) return names;
  auto it = records_.Scan(schema::kMeta, schema::XattrsOf(ino));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    auto key = schema::ParseMetaKey(it->key());
    if (!key) return records_.Damaged(ino, "an xattr has a bad key");
    names.emplace_back(key->name);
  }
  if (!it->status().ok()) return records_.Failed(ino, it->status());
  return names;
}

Outcome Store::CheckXattrFits(InodeNumber ino, const InodeRecord& record, std::string_view name, int flags) {
  const std::string key = schema::XattrKey(ino, name);
  bool exists = false;
  size_t list_bytes = 0;
  if (record.flags & schema::kHasXattrs) {
    auto it = records_.Scan(schema::kMeta, schema::XattrsOf(ino));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      if (it->key() == key) exists = true;
      list_bytes += it->key().size() - schema::XattrKey(ino, "").size() + 1;
    }
    if (!it->status().ok()) return records_.Failed(ino, it->status());
  }
  if (exists && (flags & XATTR_CREATE)) return Fail(EEXIST);
  if (!exists && (flags & XATTR_REPLACE)) return Fail(ENODATA);
  // More names than a list can hold could never be listed again.
  if (!exists && list_bytes + name.size() + 1 > kMaxListBytes) return Fail(ENOSPC);
  return {};
}

Outcome Store::SetXattr(InodeNumber ino, std::string_view name, std::string_view value, int flags) {
  if (auto good = CheckXattrName(name); !good) return good;
  if (value.size() > schema::kMaxXattrValueBytes) return Fail(E2BIG);
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE | kXattrClearSgid)) != 0) return Fail(EINVAL);
  if (auto grows = MayGrow(value.size()); !grows) return grows;
  auto locked = LockAny(ino, LockMode::kExclusive);
  if (!locked) return tl::unexpected(locked.error());
  InodeRecord record = locked->record();
  if (auto fits = CheckXattrFits(ino, record, name, flags); !fits) return fits;
  auto before = FindXattr(ino, record, name);
  if (!before) return tl::unexpected(before.error());
  // As on ext4: what is so already is no change, and moves no time.
  auto same = IsAclName(name) ? HasAcl(ino, record, name, *before, value) : Result<bool>(*before == value);
  if (!same) return tl::unexpected(same.error());
  const bool clears_sgid = (flags & kXattrClearSgid) != 0 && (record.mode & S_ISGID) != 0;
  if (*same && !clears_sgid) return {};
  lsm::WriteBatch batch;
  if (IsAclName(name)) {
    if (auto set = SetAcl(ino, &record, name, value, &batch); !set) return set;
    if (clears_sgid) record.mode &= ~static_cast<uint32_t>(S_ISGID);
  } else {
    PutXattr(ino, name, value, &record, &batch);
  }
  record.ctime = Now();
  return CommitRecord(&*locked, std::move(record), &batch);
}

Outcome Store::RemoveXattr(InodeNumber ino, std::string_view name) {
  if (auto good = CheckXattrName(name); !good) return good;
  auto locked = LockAny(ino, LockMode::kExclusive);
  if (!locked) return tl::unexpected(locked.error());
  if (read_only_) return Fail(EROFS);
  InodeRecord record = locked->record();
  auto value = FindXattr(ino, record, name);
  if (!value) return tl::unexpected(value.error());
  // An ACL that says no more than the mode is none: taking it away is no error.
  if (!*value) return IsAclName(name) ? Outcome{} : Fail(ENODATA);
  record.ctime = Now();
  lsm::WriteBatch batch;
  batch.Delete(schema::kMeta, schema::XattrKey(ino, name));
  return CommitRecord(&*locked, std::move(record), &batch);
}

}  // namespace silt::fs
