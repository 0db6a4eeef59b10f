// Extended attributes: user.*, security.* and trusted.* are kept as they come; the kernel has checked who may.
#include <sys/xattr.h>

#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

namespace {

constexpr size_t kMaxListBytes = 65536;  // what listxattr(2) can return

Outcome CheckXattrName(std::string_view name) {
  if (name.empty() || name.size() > schema::kMaxXattrNameBytes) return Fail(ERANGE);
  if (name.find('\0') != std::string_view::npos) return Fail(EINVAL);
  // What no namespace knows is refused, as elsewhere; POSIX ACLs (system.*) too, until permissions are checked by them.
  for (std::string_view space : {"user.", "trusted.", "security."}) {
    if (name.starts_with(space)) return name.size() > space.size() ? Outcome{} : Fail(EINVAL);
  }
  return Fail(EOPNOTSUPP);
}

}  // namespace

Result<std::string> Store::GetXattr(InodeNumber ino, std::string_view name) {
  if (auto good = CheckXattrName(name); !good) return tl::unexpected(good.error());
  auto locked = Lock(ino, LockMode::kShared);
  if (!locked) return tl::unexpected(locked.error());
  if ((locked->record().flags & schema::kHasXattrs) == 0) return Fail(ENODATA);
  lsm::PinnedValue stored;
  auto found = records_.Get(ino, schema::kMeta, schema::XattrKey(ino, name), &stored);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return Fail(ENODATA);
  auto value = schema::DecodeXattr(stored.view());
  if (!value) return records_.Damaged(ino, "an xattr does not decode");
  return std::string(*value);
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

Outcome Store::SetXattr(InodeNumber ino, std::string_view name, std::string_view value, int flags) {
  if (auto good = CheckXattrName(name); !good) return good;
  if (value.size() > schema::kMaxXattrValueBytes) return Fail(E2BIG);
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0) return Fail(EINVAL);
  if (auto grows = MayGrow(value.size()); !grows) return grows;
  auto locked = LockAny(ino, LockMode::kExclusive);
  if (!locked) return tl::unexpected(locked.error());
  InodeRecord record = locked->record();
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
  record.flags |= schema::kHasXattrs;
  record.ctime = Now();
  lsm::WriteBatch batch;
  batch.Put(schema::kMeta, key, schema::XattrHead(), value);
  return CommitRecord(&*locked, std::move(record), &batch);
}

Outcome Store::RemoveXattr(InodeNumber ino, std::string_view name) {
  if (auto good = CheckXattrName(name); !good) return good;
  auto locked = LockAny(ino, LockMode::kExclusive);
  if (!locked) return tl::unexpected(locked.error());
  if (read_only_) return Fail(EROFS);
  InodeRecord record = locked->record();
  if ((record.flags & schema::kHasXattrs) == 0) return Fail(ENODATA);
  const std::string key = schema::XattrKey(ino, name);
  lsm::PinnedValue stored;
  auto found = records_.Get(ino, schema::kMeta, key, &stored);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return Fail(ENODATA);
  record.ctime = Now();
  lsm::WriteBatch batch;
  batch.Delete(schema::kMeta, key);
  return CommitRecord(&*locked, std::move(record), &batch);
}

}  // namespace silt::fs
