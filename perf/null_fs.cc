// null_fs: the limit of a FUSE filesystem. It answers every request at once from a table in memory: names and
// attributes are kept, data is neither kept nor read (files read as zeros). What it agrees on with the kernel is what
// siltfs does, so the kernel sends it the same requests. perf/mount_bench.sh builds and runs it.
//
//   null_fs [-f] [-o OPTIONS] MOUNTPOINT      -o io_uring with libfuse 3.18 or newer
#define FUSE_USE_VERSION 314

#include <fuse_lowlevel.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

constexpr double kForEver = 1e9;
constexpr size_t kMaxWrite = 1 << 20;

struct Node {
  struct stat attributes = {};
  std::map<std::string, fuse_ino_t, std::less<>> children;  // of a directory
};

std::mutex g_mutex;
std::unordered_map<fuse_ino_t, Node> g_nodes;  // guarded by g_mutex, as the next
fuse_ino_t g_next = FUSE_ROOT_ID;

timespec Now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

Node* MakeNode(mode_t mode, uid_t uid, gid_t gid) {
  fuse_ino_t ino = g_next++;
  Node* node = &g_nodes[ino];
  struct stat& attributes = node->attributes;
  attributes.st_ino = ino;
  attributes.st_mode = mode;
  attributes.st_nlink = S_ISDIR(mode) ? 2 : 1;
  attributes.st_uid = uid;
  attributes.st_gid = gid;
  attributes.st_blksize = 4096;
  attributes.st_atim = attributes.st_mtim = attributes.st_ctim = Now();
  return node;
}

fuse_entry_param EntryOf(const Node& node) {
  fuse_entry_param entry{};
  entry.ino = node.attributes.st_ino;
  entry.attr = node.attributes;
  entry.attr_timeout = entry.entry_timeout = kForEver;
  return entry;
}

Node* Find(fuse_ino_t ino) {
  auto found = g_nodes.find(ino);
  return found == g_nodes.end() ? nullptr : &found->second;
}

Node* FindChild(fuse_ino_t parent, std::string_view name) {
  Node* directory = Find(parent);
  if (directory == nullptr) return nullptr;
  auto found = directory->children.find(name);
  return found == directory->children.end() ? nullptr : Find(found->second);
}

void Init(void* /*userdata*/, fuse_conn_info* connection) {
  connection->want |= connection->capable & (FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS |
                                             FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_READDIRPLUS);
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
  connection->want |= connection->capable & FUSE_CAP_HANDLE_KILLPRIV_V2;
#endif
  connection->want &=
      ~(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_HANDLE_KILLPRIV |
        FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_WRITEBACK_CACHE);
  connection->max_write = kMaxWrite;
  connection->max_background = 64;
  connection->time_gran = 1;
}

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  std::unique_lock lock(g_mutex);
  Node* child = FindChild(parent, name);
  fuse_entry_param entry{};
  entry.entry_timeout = kForEver;  // inode 0: there is none, and the kernel may remember that
  if (child != nullptr) entry = EntryOf(*child);
  lock.unlock();
  fuse_reply_entry(request, &entry);
}

void Forget(fuse_req_t request, fuse_ino_t /*ino*/, uint64_t /*lookups*/) {
  fuse_reply_none(request);
}

void ForgetMulti(fuse_req_t request, size_t /*count*/, fuse_forget_data* /*forgets*/) {
  fuse_reply_none(request);
}

void Getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info* /*info*/) {
  std::unique_lock lock(g_mutex);
  Node* node = Find(ino);
  if (node == nullptr) return void(fuse_reply_err(request, ENOENT));
  struct stat attributes = node->attributes;
  lock.unlock();
  fuse_reply_attr(request, &attributes, kForEver);
}

void Setattr(fuse_req_t request, fuse_ino_t ino, struct stat* wanted, int valid, fuse_file_info* /*info*/) {
  std::unique_lock lock(g_mutex);
  Node* node = Find(ino);
  if (node == nullptr) return void(fuse_reply_err(request, ENOENT));
  struct stat& own = node->attributes;
  if (valid & FUSE_SET_ATTR_MODE) own.st_mode = (own.st_mode & S_IFMT) | (wanted->st_mode & ~S_IFMT);
  if (valid & FUSE_SET_ATTR_UID) own.st_uid = wanted->st_uid;
  if (valid & FUSE_SET_ATTR_GID) own.st_gid = wanted->st_gid;
  if (valid & FUSE_SET_ATTR_SIZE) own.st_size = wanted->st_size;
  if (valid & FUSE_SET_ATTR_MTIME) own.st_mtim = wanted->st_mtim;
  own.st_ctim = Now();
  struct stat attributes = own;
  lock.unlock();
  fuse_reply_attr(request, &attributes, kForEver);
}

// The new node's entry; ino 0 when the name is taken.
fuse_entry_param Add(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  const fuse_ctx* context = fuse_req_ctx(request);
  std::lock_guard lock(g_mutex);
  Node* directory = Find(parent);
  if (directory == nullptr || directory->children.contains(std::string_view(name))) return {};
  directory->attributes.st_mtim = directory->attributes.st_ctim = Now();
  if (S_ISDIR(mode)) ++directory->attributes.st_nlink;
  Node* node = MakeNode(mode, context->uid, context->gid);
  Find(parent)->children.emplace(name, node->attributes.st_ino);
  return EntryOf(*node);
}

void Mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t /*rdev*/) {
  fuse_entry_param entry = Add(request, parent, name, mode);
  entry.ino == 0 ? fuse_reply_err(request, EEXIST) : fuse_reply_entry(request, &entry);
}

void Mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  Mknod(request, parent, name, S_IFDIR | mode, 0);
}

void Symlink(fuse_req_t request, const char* /*target*/, fuse_ino_t parent, const char* name) {
  Mknod(request, parent, name, S_IFLNK | 0777, 0);
}

void Readlink(fuse_req_t request, fuse_ino_t /*ino*/) {
  fuse_reply_readlink(request, "null");
}

void Create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  fuse_entry_param entry = Add(request, parent, name, mode);
  info->keep_cache = 1;
  entry.ino == 0 ? fuse_reply_err(request, EEXIST) : fuse_reply_create(request, &entry, info);
}

int Remove(fuse_ino_t parent, std::string_view name) {
  std::lock_guard lock(g_mutex);
  Node* child = FindChild(parent, name);
  if (child == nullptr) return ENOENT;
  if (!child->children.empty()) return ENOTEMPTY;
  Node* directory = Find(parent);
  if (S_ISDIR(child->attributes.st_mode)) --directory->attributes.st_nlink;
  directory->attributes.st_mtim = directory->attributes.st_ctim = Now();
  directory->children.erase(directory->children.find(name));
  g_nodes.erase(child->attributes.st_ino);
  return 0;
}

void Unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  fuse_reply_err(request, Remove(parent, name));
}

void Rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
            unsigned int /*flags*/) {
  std::unique_lock lock(g_mutex);
  Node* child = FindChild(parent, name);
  Node* from = Find(parent);
  Node* to = Find(new_parent);
  if (child == nullptr || to == nullptr) return void(fuse_reply_err(request, ENOENT));
  from->children.erase(from->children.find(std::string_view(name)));
  to->children.insert_or_assign(new_name, child->attributes.st_ino);
  lock.unlock();
  fuse_reply_err(request, 0);
}

// Cookies are positions: nothing is removed while a directory is listed in what is measured here.
void Readdirplus(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* /*info*/) {
  std::vector<char> reply(size);
  size_t used = 0;
  std::unique_lock lock(g_mutex);
  Node* directory = Find(ino);
  if (directory == nullptr) return void(fuse_reply_err(request, ENOENT));
  auto it = directory->children.begin();
  std::advance(it, std::min<size_t>(static_cast<size_t>(offset), directory->children.size()));
  for (off_t cookie = offset + 1; it != directory->children.end(); ++it, ++cookie) {
    fuse_entry_param entry = EntryOf(*Find(it->second));
    size_t needed =
        fuse_add_direntry_plus(request, reply.data() + used, size - used, it->first.c_str(), &entry, cookie);
    if (needed > size - used) break;
    used += needed;
  }
  lock.unlock();
  fuse_reply_buf(request, reply.data(), used);
}

void Read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* /*info*/) {
  static const std::vector<char> zeros(kMaxWrite);
  std::unique_lock lock(g_mutex);
  Node* node = Find(ino);
  if (node == nullptr) return void(fuse_reply_err(request, ENOENT));
  size_t left = static_cast<size_t>(std::max<off_t>(node->attributes.st_size - offset, 0));
  lock.unlock();
  fuse_reply_buf(request, zeros.data(), std::min({size, left, zeros.size()}));
}

void Write(fuse_req_t request, fuse_ino_t ino, const char* /*data*/, size_t size, off_t offset,
           fuse_file_info* /*info*/) {
  std::unique_lock lock(g_mutex);
  Node* node = Find(ino);
  if (node == nullptr) return void(fuse_reply_err(request, ENOENT));
  struct stat& own = node->attributes;
  own.st_size = std::max(own.st_size, offset + static_cast<off_t>(size));
  own.st_blocks = (own.st_size + 511) / 512;
  own.st_mtim = own.st_ctim = Now();
  lock.unlock();
  fuse_reply_write(request, size);
}

void Succeed(fuse_req_t request, fuse_ino_t /*ino*/, int /*datasync*/, fuse_file_info* /*info*/) {
  fuse_reply_err(request, 0);
}

void Fallocate(fuse_req_t request, fuse_ino_t /*ino*/, int /*mode*/, off_t /*offset*/, off_t /*length*/,
               fuse_file_info* /*info*/) {
  fuse_reply_err(request, 0);
}

// Once: the kernel then does without these requests.
void Absent(fuse_req_t request, fuse_ino_t /*ino*/, fuse_file_info* /*info*/) {
  fuse_reply_err(request, ENOSYS);
}

fuse_lowlevel_ops Operations() {
  fuse_lowlevel_ops ops{};
  ops.init = Init;
  ops.lookup = Lookup;
  ops.forget = Forget;
  ops.forget_multi = ForgetMulti;
  ops.getattr = Getattr;
  ops.setattr = Setattr;
  ops.mknod = Mknod;
  ops.mkdir = Mkdir;
  ops.symlink = Symlink;
  ops.readlink = Readlink;
  ops.create = Create;
  ops.unlink = Unlink;
  ops.rmdir = Unlink;
  ops.rename = Rename;
  ops.open = Absent;
  ops.opendir = Absent;
  ops.flush = Absent;
  ops.readdirplus = Readdirplus;
  ops.read = Read;
  ops.write = Write;
  ops.fsync = Succeed;
  ops.fsyncdir = Succeed;
  ops.fallocate = Fallocate;
  return ops;
}

int Serve(fuse_session* session, const fuse_cmdline_opts& options) {
  if (fuse_set_signal_handlers(session) != 0) return 1;
  if (fuse_session_mount(session, options.mountpoint) != 0) return 1;
  fuse_daemonize(options.foreground);
  fuse_loop_config* config = fuse_loop_cfg_create();
  int error = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  return error == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  fuse_args arguments = FUSE_ARGS_INIT(argc, argv);
  fuse_cmdline_opts options{};
  if (fuse_parse_cmdline(&arguments, &options) != 0 || options.mountpoint == nullptr) {
    std::fprintf(stderr, "usage: null_fs [-f] [-o OPTIONS] MOUNTPOINT\n");
    return 2;
  }
  MakeNode(S_IFDIR | 0755, getuid(), getgid());
  fuse_lowlevel_ops operations = Operations();
  fuse_session* session = fuse_session_new(&arguments, &operations, sizeof(operations), nullptr);
  if (session == nullptr) return 1;
  int status = Serve(session, options);
  fuse_session_destroy(session);
  std::free(options.mountpoint);
  fuse_opt_free_args(&arguments);
  return status;
}
