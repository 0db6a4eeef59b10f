#include "mount/observe/control_operations.h"

#include <cerrno>
#include <span>
#include <string_view>
#include <vector>

#include "mount/fuse_reply.h"
#include "mount/observe/control_directory.h"

namespace silt::mount {
namespace {

Adapter& AdapterOf(fuse_req_t request) {
  return *static_cast<Adapter*>(fuse_req_userdata(request));
}

ControlDirectory* ControlOf(fuse_req_t request) {
  return AdapterOf(request).options().control_directory;
}

bool IsControlName(fuse_ino_t parent, std::string_view name) {
  return parent == fs::kRootInode && name == ControlDirectory::kName;
}

// True when .siltfs at the root is ours: somebody's own entry of that name, made when it was not, goes first.
bool ShowsControl(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (!IsControlName(parent, name) || ControlOf(request) == nullptr) return false;
  fs::Filesystem& filesystem = AdapterOf(request).filesystem();
  auto own = filesystem.Lookup(parent, name);
  if (own) filesystem.Forget(own->ino, 1);
  return !own && own.error().value() == ENOENT;
}

void ReplyFound(fuse_req_t request, const std::optional<fuse_entry_param>& entry) {
  if (!entry) {
    fuse_reply_err(request, ENOENT);
  } else if (fuse_reply_entry(request, &*entry) != 0) {
    ControlOf(request)->Forget(entry->ino, 1);
  }
}

void LookupOrControl(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (IsControlInode(parent)) {
    ControlDirectory& control = *ControlOf(request);
    const std::string_view wanted = name;
    if (wanted == "..") return Lookup(request, fs::kRootInode, ".");
    return ReplyFound(request, wanted == "." ? control.Find(parent) : control.Lookup(wanted));
  }
  if (ShowsControl(request, parent, name)) return ReplyFound(request, ControlOf(request)->Entry());
  Lookup(request, parent, name);
}

void ForgetOrControl(fuse_req_t request, fuse_ino_t ino, uint64_t lookups) {
  if (!IsControlInode(ino)) return Forget(request, ino, lookups);
  ControlOf(request)->Forget(ino, lookups);
  fuse_reply_none(request);
}

void ForgetMultiOrControl(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  // Ours are taken out; the rest goes on in one piece.
  size_t left = 0;
  for (const fuse_forget_data& forget : std::span(forgets, count)) {
    if (IsControlInode(forget.ino)) {
      ControlOf(request)->Forget(forget.ino, forget.nlookup);
    } else {
      forgets[left++] = forget;
    }
  }
  ForgetMulti(request, left, forgets);
}

void GetattrOrControl(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
  if (!IsControlInode(ino)) return Getattr(request, ino, info);
  auto attributes = ControlOf(request)->Attributes(ino);
  ReplyAttributes(request, attributes ? fs::Result<fs::Attributes>(*attributes) : fs::Fail(ENOENT));
}

void ReadOrControl(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  if (!IsControlInode(ino)) return Read(request, ino, size, offset, info);
  const std::string bytes = ControlOf(request)->Read(ino, static_cast<uint64_t>(offset), size);
  fuse_reply_buf(request, bytes.data(), bytes.size());
}

// All entries at once: there are few.
void ListControl(fuse_req_t request, size_t size, off_t offset, bool plus) {
  struct Entry {
    const char* name;
    uint64_t number;
    mode_t type;
  };
  std::vector<Entry> entries = {{".", ControlDirectory::kInode, S_IFDIR}, {"..", fs::kRootInode, S_IFDIR}};
  const auto& files = ControlOf(request)->files();
  for (size_t file = 0; file < files.size(); ++file) {
    entries.push_back({files[file].name.c_str(), ControlDirectory::ShownNumber(file), S_IFREG});
  }
  std::vector<char> reply(size);
  size_t used = 0;
  for (auto at = static_cast<size_t>(offset); at < entries.size(); ++at) {
    fuse_entry_param entry{};  // inode 0: the kernel learns nothing beyond the name
    entry.attr.st_ino = entries[at].number;
    entry.attr.st_mode = entries[at].type;
    const auto next = static_cast<off_t>(at + 1);
    const size_t needed =
        plus ? fuse_add_direntry_plus(request, reply.data() + used, size - used, entries[at].name, &entry, next)
             : fuse_add_direntry(request, reply.data() + used, size - used, entries[at].name, &entry.attr, next);
    if (needed > size - used) break;
    used += needed;
  }
  fuse_reply_buf(request, reply.data(), used);
}

void ReaddirOrControl(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  if (!IsControlInode(ino)) return Readdir(request, ino, size, offset, info);
  ListControl(request, size, offset, /*plus=*/false);
}

void ReaddirplusOrControl(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  if (!IsControlInode(ino)) return Readdirplus(request, ino, size, offset, info);
  ListControl(request, size, offset, /*plus=*/true);
}

void ListxattrOrControl(fuse_req_t request, fuse_ino_t ino, size_t size) {
  if (!IsControlInode(ino)) return Listxattr(request, ino, size);
  if (size == 0) {
    fuse_reply_xattr(request, 0);
  } else {
    fuse_reply_buf(request, nullptr, 0);
  }
}

void GetxattrOrControl(fuse_req_t request, fuse_ino_t ino, const char* name, size_t size) {
  if (!IsControlInode(ino)) return Getxattr(request, ino, name, size);
  fuse_reply_err(request, ENODATA);
}

// Where two directories are concerned, or one of them and a name at the root that is ours.
void RenameOrRefuse(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
                    const char* new_name, unsigned flags) {
  if (IsControlInode(parent) || IsControlInode(new_parent) || ShowsControl(request, parent, name) ||
      ShowsControl(request, new_parent, new_name)) {
    fuse_reply_err(request, EPERM);
  } else {
    Rename(request, parent, name, new_parent, new_name, flags);
  }
}

void LinkOrRefuse(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  if (IsControlInode(ino) || IsControlInode(parent)) {
    fuse_reply_err(request, EPERM);
  } else {
    Link(request, ino, parent, name);
  }
}

void RmdirOrRefuse(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (IsControlInode(parent) || ShowsControl(request, parent, name)) {
    fuse_reply_err(request, EPERM);
  } else {
    Rmdir(request, parent, name);
  }
}

void CopyFileRangeOrRefuse(fuse_req_t request, fuse_ino_t from, off_t from_offset, fuse_file_info* from_info,
                           fuse_ino_t to, off_t to_offset, fuse_file_info* to_info, size_t length, int flags) {
  if (IsControlInode(from) || IsControlInode(to)) {
    fuse_reply_err(request, EXDEV);  // the kernel and programs then read and write instead
  } else {
    CopyFileRange(request, from, from_offset, from_info, to, to_offset, to_info, length, flags);
  }
}

void SymlinkOrRefuse(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  if (IsControlInode(parent)) {
    fuse_reply_err(request, EPERM);
  } else {
    Symlink(request, target, parent, name);
  }
}

// For whatever else names an inode first: refused below .siltfs.
template <auto operation, int error>
struct Refusing;
template <class... Arguments, void (*operation)(fuse_req_t, fuse_ino_t, Arguments...), int error>
struct Refusing<operation, error> {
  static void Call(fuse_req_t request, fuse_ino_t ino, Arguments... arguments) {
    if (IsControlInode(ino)) {
      fuse_reply_err(request, error);
    } else {
      operation(request, ino, arguments...);
    }
  }
};

}  // namespace

void AddControlDirectory(fuse_lowlevel_ops* operations) {
  operations->lookup = &LookupOrControl;
  operations->forget = &ForgetOrControl;
  operations->forget_multi = &ForgetMultiOrControl;
  operations->getattr = &GetattrOrControl;
  operations->read = &ReadOrControl;
  operations->readdir = &ReaddirOrControl;
  operations->readdirplus = &ReaddirplusOrControl;
  operations->listxattr = &ListxattrOrControl;
  operations->getxattr = &GetxattrOrControl;
  operations->rename = &RenameOrRefuse;
  operations->link = &LinkOrRefuse;
  operations->rmdir = &RmdirOrRefuse;
  operations->symlink = &SymlinkOrRefuse;
  operations->copy_file_range = &CopyFileRangeOrRefuse;
  operations->setattr = &Refusing<&Setattr, EPERM>::Call;
  operations->readlink = &Refusing<&Readlink, EINVAL>::Call;
  operations->mknod = &Refusing<&Mknod, EPERM>::Call;
  operations->mkdir = &Refusing<&Mkdir, EPERM>::Call;
  operations->unlink = &Refusing<&Unlink, EPERM>::Call;
  operations->create = &Refusing<&Create, EPERM>::Call;
  operations->write = &Refusing<&Write, EPERM>::Call;
  operations->fallocate = &Refusing<&Fallocate, EPERM>::Call;
  operations->setxattr = &Refusing<&Setxattr, EPERM>::Call;
  operations->removexattr = &Refusing<&Removexattr, EPERM>::Call;
  operations->lseek = &Refusing<&Lseek, EINVAL>::Call;
}

}  // namespace silt::mount
