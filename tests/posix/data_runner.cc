#include "tests/posix/data_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "tests/posix/controller.h"

namespace silt::posix {
namespace {

constexpr uint64_t kPage = 4096;

sigjmp_buf bus_error;  // where a SIGBUS within CopyMapped goes on

// memcpy from or to a mapping; false when the kernel raised SIGBUS.
bool CopyMapped(char* to, const char* from, size_t size) {
  struct sigaction handler {};
  handler.sa_handler = [](int) { siglongjmp(bus_error, 1); };
  struct sigaction before {};
  ::sigaction(SIGBUS, &handler, &before);
  const bool good = sigsetjmp(bus_error, 1) == 0;
  if (good) std::memcpy(to, from, size);
  ::sigaction(SIGBUS, &before, nullptr);
  return good;
}

std::string Failed(std::string_view call) {
  return fmt::format("{}: {}", call, std::strerror(errno));
}

// Three parts of a buffer, the middle one small: what readv and writev are given.
std::array<iovec, 3> Parts(char* data, size_t size) {
  const size_t first = size / 3;
  const size_t second = std::min<size_t>(size - first, 7);
  return {{{data, first}, {data + first, second}, {data + first + second, size - first - second}}};
}

uint64_t RoundUp(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// Memory that O_DIRECT accepts everywhere.
std::unique_ptr<char, decltype(&::free)> AlignedBuffer(size_t size) {
  return {static_cast<char*>(::aligned_alloc(kPage, RoundUp(std::max<size_t>(size, 1), kPage))), &::free};
}

bool AllZero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

DataRunner::Wrong DataRunner::Open(bool create) {
  const char* path = options_.path.c_str();
  auto open = [&](int flags) { return mount::UniqueFd(::open(path, flags | O_CLOEXEC, 0644)); };
  file_ = open(O_RDWR | (create ? O_CREAT | O_TRUNC : 0));
  if (!file_) return Failed("open");
  direct_ = open(O_RDWR | O_DIRECT);
  append_ = open(O_WRONLY | O_APPEND);
  direct_append_ = open(O_WRONLY | O_APPEND | O_DIRECT);
  sync_ = open(O_RDWR | O_SYNC);
  if (!direct_ || !append_ || !direct_append_ || !sync_) return Failed("open of a second descriptor");
  if (create && ::ftruncate(file_.get(), static_cast<off_t>(options_.base)) != 0)
    return Failed("ftruncate to the base");
  void* map = ::mmap(nullptr, options_.max_size, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(),
                     static_cast<off_t>(options_.base));
  if (map == MAP_FAILED) return Failed("mmap");
  map_ = static_cast<char*>(map);
  return {};
}

void DataRunner::Close() {
  if (map_ != nullptr) ::munmap(map_, options_.max_size);
  map_ = nullptr;
  for (mount::UniqueFd* fd : {&file_, &direct_, &append_, &direct_append_, &sync_}) fd->Reset();
}

std::optional<DataFailure> DataRunner::Run(std::span<const DataOperation> operations) {
  Close();
  ::unlink(options_.path.c_str());
  model_.clear();
  Wrong wrong = Open(true);
  size_t index = 0;
  for (; index < operations.size() && !wrong; ++index) {
    wrong = Do(operations[index]);
    if (wrong) break;
  }
  if (!wrong) wrong = Verify();
  if (!wrong) wrong = Again({.action = DataAction::kReopen});
  if (!wrong) wrong = Verify();
  Close();
  if (!wrong) return std::nullopt;
  return DataFailure{.index = index, .what = *wrong};
}

DataRunner::Wrong DataRunner::Do(const DataOperation& operation) {
  Wrong wrong;
  switch (operation.action) {
    case DataAction::kRead:
    case DataAction::kVectorRead:
    case DataAction::kDirectRead:
    case DataAction::kMapRead:
    case DataAction::kNewMapRead:
    case DataAction::kSendRead:
      wrong = ReadBack(operation);
      break;
    case DataAction::kAllocate:
    case DataAction::kAllocateKeep:
    case DataAction::kPunch:
    case DataAction::kZero:
    case DataAction::kZeroKeep:
      wrong = Allocate(operation);
      break;
    case DataAction::kCopy:
      wrong = Copy(operation);
      break;
    case DataAction::kMapTail:
      wrong = MapTail(operation);
      break;
    case DataAction::kFsync:
    case DataAction::kFdatasync:
    case DataAction::kMsync:
    case DataAction::kDropCache:
      wrong = Sync(operation);
      break;
    case DataAction::kSeekData:
    case DataAction::kSeekHole:
      wrong = Seek(operation);
      break;
    case DataAction::kVerify:
      wrong = Verify();
      break;
    case DataAction::kReopen:
    case DataAction::kRemount:
    case DataAction::kKill:
      wrong = Again(operation);
      break;
    default:
      wrong = Change(operation);
  }
  return wrong ? wrong : CheckSize();
}

DataRunner::Wrong DataRunner::CheckSize() {
  struct stat st {};
  if (::fstat(file_.get(), &st) != 0) return Failed("fstat");
  const uint64_t size = options_.base + model_.size();
  if (static_cast<uint64_t>(st.st_size) != size) return fmt::format("size is {}, wanted {}", st.st_size, size);
  // The extents of a file with a hole in front are few; nothing else may be allocated beside what was written.
  const uint64_t most = options_.max_size + (64 << 10);
  if (static_cast<uint64_t>(st.st_blocks) * 512 > most) return fmt::format("{} blocks are allocated", st.st_blocks);
  return {};
}

// `got` was read at `offset` of the model, where `wanted_size` bytes had been asked for.
DataRunner::Wrong DataRunner::Compare(uint64_t offset, std::string_view got, size_t wanted_size) const {
  std::string_view wanted;
  if (offset < model_.size()) wanted = std::string_view(model_).substr(offset, wanted_size);
  if (got == wanted) return {};
  if (got.size() != wanted.size()) return fmt::format("read {} bytes, wanted {}", got.size(), wanted.size());
  size_t first = 0;
  while (got[first] == wanted[first]) ++first;
  size_t count = 0;
  for (size_t i = first; i < got.size(); ++i) count += got[i] != wanted[i] ? 1 : 0;
  return fmt::format("{} bytes differ, the first at {}: got {:#04x}, wanted {:#04x} (size {})", count, offset + first,
                     static_cast<unsigned char>(got[first]), static_cast<unsigned char>(wanted[first]), model_.size());
}

bool DataRunner::SendThroughPipe(uint64_t offset, std::string* got) const {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  mount::UniqueFd out(ends[0]), in(ends[1]);
  auto at = static_cast<off_t>(options_.base + offset);
  size_t done = 0;
  while (done < got->size()) {
    const ssize_t sent = ::sendfile(in.get(), file_.get(), &at, std::min<size_t>(got->size() - done, 16 << 10));
    if (sent < 0) return false;
    if (sent == 0) break;
    const ssize_t taken = ::read(out.get(), got->data() + done, static_cast<size_t>(sent));
    if (taken != sent) return false;
    done += static_cast<size_t>(sent);
  }
  got->resize(done);
  return true;
}

bool DataRunner::SpliceFromPipe(uint64_t offset, std::string_view bytes) const {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  mount::UniqueFd out(ends[0]), in(ends[1]);
  auto at = static_cast<off_t>(options_.base + offset);
  while (!bytes.empty()) {
    const ssize_t put = ::write(in.get(), bytes.data(), std::min<size_t>(bytes.size(), 16 << 10));
    if (put <= 0) return false;
    for (ssize_t left = put; left > 0;) {
      const ssize_t moved = ::splice(out.get(), nullptr, file_.get(), &at, static_cast<size_t>(left), 0);
      if (moved <= 0) return false;
      left -= moved;
    }
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return true;
}

bool DataRunner::ReadInto(const DataOperation& operation, std::string* got) {
  const auto at = static_cast<off_t>(options_.base + operation.offset);
  ssize_t size = -1;
  if (operation.action == DataAction::kSendRead) return SendThroughPipe(operation.offset, got);
  if (operation.action == DataAction::kVectorRead) {
    auto parts = Parts(got->data(), got->size());
    size = ::preadv2(file_.get(), parts.data(), static_cast<int>(parts.size()), at, 0);
  } else if (operation.action == DataAction::kDirectRead) {
    auto buffer = AlignedBuffer(got->size());
    size = ::pread(direct_.get(), buffer.get(), got->size(), at);
    if (size > 0) std::memcpy(got->data(), buffer.get(), static_cast<size_t>(size));
  } else {
    size = ::pread(file_.get(), got->data(), got->size(), at);
  }
  if (size < 0) return false;
  got->resize(static_cast<size_t>(size));
  return true;
}

DataRunner::Wrong DataRunner::ReadBack(const DataOperation& wanted) {
  DataOperation operation = wanted;
  if (operation.action == DataAction::kDirectRead) {
    const uint64_t end = RoundUp(operation.offset + operation.length, options_.direct_alignment);
    operation.offset -= operation.offset % options_.direct_alignment;
    operation.length = end - operation.offset;
  }
  std::string got(operation.length, '\xEE');
  if (operation.action != DataAction::kMapRead && operation.action != DataAction::kNewMapRead) {
    if (!ReadInto(operation, &got)) return Failed("read");
    return Compare(operation.offset, got, operation.length);
  }
  if (operation.offset >= model_.size()) return {};
  got.resize(std::min<uint64_t>(operation.length, model_.size() - operation.offset));
  if (operation.action == DataAction::kMapRead) {
    if (!CopyMapped(got.data(), map_ + operation.offset, got.size())) return "SIGBUS while reading the mapping";
    return Compare(operation.offset, got, got.size());
  }
  const uint64_t begin = operation.offset / kPage * kPage;
  const size_t length = operation.offset + got.size() - begin;
  void* map = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, file_.get(), static_cast<off_t>(options_.base + begin));
  if (map == MAP_FAILED) return Failed("mmap");
  const bool good = CopyMapped(got.data(), static_cast<char*>(map) + (operation.offset - begin), got.size());
  ::munmap(map, length);
  if (!good) return "SIGBUS while reading a new mapping";
  return Compare(operation.offset, got, got.size());
}

void DataRunner::Apply(uint64_t offset, std::string_view bytes) {
  if (model_.size() < offset + bytes.size()) model_.resize(offset + bytes.size(), '\0');
  std::copy(bytes.begin(), bytes.end(), model_.begin() + static_cast<ptrdiff_t>(offset));
}

// What puts bytes into the file, and truncate.
DataRunner::Wrong DataRunner::Change(const DataOperation& operation) {
  uint64_t offset = operation.offset;
  uint64_t length = operation.length;
  if (operation.action == DataAction::kTruncate) {
    if (::ftruncate(file_.get(), static_cast<off_t>(options_.base + offset)) != 0) return Failed("ftruncate");
    model_.resize(offset, '\0');
    return {};
  }
  const bool direct = operation.action == DataAction::kDirectWrite || operation.action == DataAction::kDirectAppend;
  if (operation.action == DataAction::kAppend || operation.action == DataAction::kDirectAppend) {
    offset = model_.size();
    if (direct && offset % options_.direct_alignment != 0) return {};
  }
  if (direct) {
    const uint64_t end = RoundUp(offset + length, options_.direct_alignment);
    offset -= offset % options_.direct_alignment;
    length = end - offset;
  }
  if (operation.action == DataAction::kMapWrite) {
    length = offset < model_.size() ? std::min<uint64_t>(length, model_.size() - offset) : 0;
  }
  if (length == 0 || offset + length > options_.max_size) return {};

  const std::string bytes = DataBytes(operation.seed, length);
  auto buffer = AlignedBuffer(length);
  std::copy(bytes.begin(), bytes.end(), buffer.get());
  const auto at = static_cast<off_t>(options_.base + offset);
  auto parts = Parts(buffer.get(), length);
  const auto count = static_cast<int>(parts.size());
  ssize_t written = static_cast<ssize_t>(length);
  switch (operation.action) {
    case DataAction::kMapWrite:
      if (!CopyMapped(map_ + offset, buffer.get(), length)) return "SIGBUS while writing the mapping";
      break;
    case DataAction::kSpliceWrite:
      if (!SpliceFromPipe(offset, bytes)) return Failed("splice");
      break;
    case DataAction::kDirectWrite:
      written = ::pwrite(direct_.get(), buffer.get(), length, at);
      break;
    case DataAction::kVectorWrite:
      written = ::pwritev2(file_.get(), parts.data(), count, at, 0);
      break;
    case DataAction::kSyncWrite:
      written = ::pwritev2(file_.get(), parts.data(), count, at, RWF_DSYNC);
      break;
    case DataAction::kOpenSyncWrite:
      written = ::pwrite(sync_.get(), buffer.get(), length, at);
      break;
    case DataAction::kAppend:
      written = ::write(append_.get(), buffer.get(), length);
      break;
    case DataAction::kDirectAppend:
      written = ::write(direct_append_.get(), buffer.get(), length);
      break;
    default:
      written = ::pwrite(file_.get(), buffer.get(), length, at);
  }
  if (written < 0) return Failed("write");
  if (static_cast<uint64_t>(written) != length) return fmt::format("wrote {} of {} bytes", written, length);
  Apply(offset, bytes);
  return {};
}

DataRunner::Wrong DataRunner::Allocate(const DataOperation& operation) {
  int mode = 0;
  if (operation.action == DataAction::kAllocateKeep) mode = FALLOC_FL_KEEP_SIZE;
  if (operation.action == DataAction::kPunch) mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (operation.action == DataAction::kZero) mode = FALLOC_FL_ZERO_RANGE;
  if (operation.action == DataAction::kZeroKeep) mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
  const auto at = static_cast<off_t>(options_.base + operation.offset);
  if (::fallocate(file_.get(), mode, at, static_cast<off_t>(operation.length)) != 0) return Failed("fallocate");
  const uint64_t end = operation.offset + operation.length;
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && end > model_.size()) model_.resize(end, '\0');
  if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0 && operation.offset < model_.size()) {
    const uint64_t stop = std::min<uint64_t>(end, model_.size());
    std::fill(model_.begin() + static_cast<ptrdiff_t>(operation.offset), model_.begin() + static_cast<ptrdiff_t>(stop),
              '\0');
  }
  return {};
}

DataRunner::Wrong DataRunner::Copy(const DataOperation& operation) {
  const uint64_t from = operation.offset;
  const uint64_t to = operation.target;
  const uint64_t length = from < model_.size() ? std::min<uint64_t>(operation.length, model_.size() - from) : 0;
  const bool overlaps = length > 0 && from < to + length && to < from + length;
  auto from_at = static_cast<off_t>(options_.base + from);
  auto to_at = static_cast<off_t>(options_.base + to);
  uint64_t copied = 0;
  while (true) {
    const ssize_t done = ::copy_file_range(file_.get(), &from_at, file_.get(), &to_at, operation.length - copied, 0);
    if (overlaps) return done < 0 && errno == EINVAL ? Wrong() : "an overlapping copy was not refused with EINVAL";
    if (done < 0) return Failed("copy_file_range");
    copied += static_cast<uint64_t>(done);
    if (done == 0 || copied >= length) break;
  }
  if (copied != length) return fmt::format("copied {} bytes, wanted {}", copied, length);
  if (length > 0) Apply(to, model_.substr(from, length));
  return {};
}

DataRunner::Wrong DataRunner::MapTail(const DataOperation& operation) {
  const size_t tail = RoundUp(model_.size(), kPage) - model_.size();
  const std::string garbage = DataBytes(operation.seed | 2, tail);
  if (!CopyMapped(map_ + model_.size(), garbage.data(), tail)) return "SIGBUS within the last page";
  return {};
}

DataRunner::Wrong DataRunner::Sync(const DataOperation& operation) {
  switch (operation.action) {
    case DataAction::kFsync:
      return ::fsync(file_.get()) == 0 ? Wrong() : Failed("fsync");
    case DataAction::kFdatasync:
      return ::fdatasync(file_.get()) == 0 ? Wrong() : Failed("fdatasync");
    case DataAction::kMsync:
      return ::msync(map_, options_.max_size, MS_SYNC) == 0 ? Wrong() : Failed("msync");
    default:
      ::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED);
      return {};
  }
}

// What was stored through the mapping is the kernel's alone until it is written back; with the writeback cache, all is.
bool DataRunner::ShowToDaemon() const {
  return options_.writeback ? ::fsync(file_.get()) == 0 : ::msync(map_, options_.max_size, MS_SYNC) == 0;
}

DataRunner::Wrong DataRunner::Seek(const DataOperation& operation) {
  if (!ShowToDaemon()) return Failed("msync");
  const bool data = operation.action == DataAction::kSeekData;
  const auto at = static_cast<off_t>(options_.base + operation.offset);
  const off_t found = ::lseek(file_.get(), at, data ? SEEK_DATA : SEEK_HOLE);
  if (found < 0 && errno != ENXIO) return Failed("lseek");
  if (operation.offset >= model_.size()) return found < 0 ? Wrong() : "no ENXIO behind the end";
  const std::string_view rest = std::string_view(model_).substr(operation.offset);
  if (found < 0) return data && AllZero(rest) ? Wrong() : "ENXIO although there is what was sought";
  if (found < at) return fmt::format("found {} before {}", found, at);
  const auto skipped = static_cast<uint64_t>(found - at);
  if (skipped > rest.size() || (data && skipped == rest.size())) return fmt::format("found {} behind the end", found);
  if (data) return AllZero(rest.substr(0, skipped)) ? Wrong() : "data was skipped";
  // A hole reaches at least to the end of its block.
  const uint64_t block_rest = kPage - (operation.offset + skipped) % kPage;
  return AllZero(rest.substr(skipped, block_rest)) ? Wrong() : fmt::format("there is data in the hole at {}", found);
}

DataRunner::Wrong DataRunner::Verify() {
  std::string got(model_.size() + 100, '\xEE');
  if (!ReadInto({.action = DataAction::kRead, .offset = 0, .length = got.size()}, &got)) return Failed("read");
  return Compare(0, got, got.size() + 100);
}

DataRunner::Wrong DataRunner::Again(const DataOperation& operation) {
  if (operation.action != DataAction::kReopen && !options_.controlled) return {};
  if (operation.action == DataAction::kKill) {
    // The descriptors stay open: what was written must not need their closing.
    if (!ShowToDaemon()) return Failed("msync");
    ::munmap(map_, options_.max_size);
    map_ = nullptr;
    if (!Ask("kill")) return "no new mount after a kill";
  }
  Close();
  if (operation.action == DataAction::kRemount && !Ask("remount")) return "no new mount after an unmount";
  if (Wrong wrong = Open(false)) return wrong;
  return Verify();
}

}  // namespace silt::posix
