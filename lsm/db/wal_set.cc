#include "lsm/db/wal_set.h"

#include <thread>

#include "lsm/db/wal_header.h"
#include "lsm/filenames.h"

namespace silt::lsm {
namespace {

constexpr size_t kPoolSize = 2;

// How far a sync writes zeros ahead of a log that was not recycled, and how near the end of them the next stretch begins.
constexpr uint64_t kWriteAhead = 1 << 20;
constexpr uint64_t kWriteAheadMargin = 64 << 10;

}  // namespace

WalSet::WalSet(WalSetOptions options) : options_(std::move(options)) {}
WalSet::~WalSet() = default;

Status WalSet::Start(const WalTail& tail) {
  {
    std::lock_guard lock(mutex_);
    appended_ = tail.last_sequence;
    durable_ = tail.last_sequence;
    for (FileNumber number : tail.numbers) needed_[number] = nullptr;
  }
  Result<WalRef> wal = Create();
  if (!wal) return wal.error();
  WalHeader header{.previous = tail.number,
                   .previous_length = tail.length,
                   .first_sequence = tail.last_sequence + 1,
                   .previous_durable = true};
  SILT_RETURN_IF_ERROR(AppendTo(wal->get(), EncodeWalHeader(header)));
  (*wal)->promises_previous = true;
  std::lock_guard lock(mutex_);
  current_ = std::move(*wal);
  return Status::Ok();
}

Result<std::unique_ptr<WritableFile>> WalSet::OpenFile(const std::string& path, uint64_t* written) {
  Spare old{};
  {
    std::lock_guard lock(mutex_);
    if (!pool_.empty()) {
      old = pool_.back();
      pool_.pop_back();
    }
  }
  if (old.number != 0) {
    auto file = options_.storage->ReuseWritableFile(JoinPath(options_.dir, WalName(old.number)), path);
    if (file) *written = old.written;
    if (file) return file;
    options_.log->Warning("{}: not recycled: {}", WalName(old.number), file.error().ToString());
    static_cast<void>(options_.storage->DeleteFile(JoinPath(options_.dir, WalName(old.number))));
  }
  auto file = options_.storage->NewWritableFile(path);
  if (!file) return file;
  if (options_.recycle && options_.preallocate_bytes > 0) {
    // Without it the WAL works all the same; a write that finds no space will say so.
    Status status = (*file)->Preallocate(options_.preallocate_bytes);
    if (!status.ok()) options_.log->Warning("{}: not preallocated: {}", path, status.ToString());
  }
  return file;
}

FileNumber WalSet::TakeNumber() {
  {
    std::lock_guard lock(mutex_);
    if (reserved_ != 0) return std::exchange(reserved_, 0);
  }
  return options_.new_number();
}

void WalSet::ReserveNext() {
  FileNumber number = options_.new_number();
  std::lock_guard lock(mutex_);
  reserved_ = number;
}

// Its name is durable before anything is in it: then neither a later WAL nor the MANIFEST can name one that is not
// there, and a recycled file never holds records of a log that its name does not say.
Result<WalSet::WalRef> WalSet::Create() {
  FileNumber number = TakeNumber();
  std::string path = JoinPath(options_.dir, WalName(number));
  uint64_t written = 0;
  auto file = OpenFile(path, &written);
  if (!file) return Fail(file.error());
  if (Status status = options_.storage->SyncDir(options_.dir); !status.ok()) {
    static_cast<void>(options_.storage->DeleteFile(path));
    return Fail(status);
  }
  auto wal = std::make_shared<Wal>(std::make_unique<LogWriter>(std::move(*file), WalName(number), number));
  wal->written = written;
  return wal;
}

Status WalSet::AppendTo(Wal* wal, std::span<const std::string_view> record) {
  std::lock_guard lock(wal->append_mutex);
  Status status = wal->writer->AddRecord(record);
  if (status.ok()) {
    wal->length = wal->writer->Size();
    uint64_t bytes = 0;
    for (std::string_view piece : record) bytes += piece.size();
    options_.counters->wal_bytes.Add(bytes);
  } else {
    wal->written = std::min(wal->written, wal->writer->Size());  // the log was cut
    if (!wal->writer->undone()) wal->broken = true;
  }
  return status;
}

Status WalSet::Append(std::span<const std::string_view> record, SequenceNumber first, SequenceNumber last) {
  if (failed_.load(std::memory_order_acquire)) return failure();
  if (must_rotate_ || current_->broken) SILT_RETURN_IF_ERROR(Rotate(first));
  Status status = AppendTo(current_.get(), record);
  if (status.ok()) {
    appended_.store(last, std::memory_order_release);
    return status;
  }
  if (current_->broken) {
    options_.log->Error("{}: a failed append could not be undone: {}", WalName(CurrentNumber()), status.ToString());
    Status rotated = Rotate(first);
    if (!rotated.ok()) {
      Poison(status);
      return failure();
    }
  }
  return status;
}

// The prepared WAL, or a new one. Creation is one at a time: the numbers must grow in the order of use.
Result<WalSet::WalRef> WalSet::TakeNext() {
  {
    std::unique_lock lock(mutex_);
    created_.wait(lock, [this] { return !creating_; });
    if (prepared_ != nullptr) return std::exchange(prepared_, nullptr);
    creating_ = true;
  }
  Result<WalRef> wal = Create();
  std::lock_guard lock(mutex_);
  creating_ = false;
  created_.notify_all();
  return wal;
}

Status WalSet::Rotate(SequenceNumber next) {
  Result<WalRef> taken = TakeNext();
  if (!taken) return taken.error();
  WalRef wal = std::move(*taken);
  WalHeader header{.previous = CurrentNumber(), .previous_length = current_->length, .first_sequence = next};
  Status status = AppendTo(wal.get(), EncodeWalHeader(header));
  if (!status.ok()) {
    // The header may be on the disk in spite of the error, and it says where the current WAL ends: so it ends there.
    must_rotate_ = true;
    Status closed = wal->writer->Close();
    Status deleted = options_.storage->DeleteFile(JoinPath(options_.dir, WalName(wal->writer->number())));
    for (const Status& s : {closed, deleted}) {
      if (!s.ok()) options_.log->Warning("{}: {}", WalName(wal->writer->number()), s.ToString());
    }
    return status;
  }
  must_rotate_ = false;
  std::lock_guard lock(mutex_);
  needed_[current_->writer->number()] = current_;
  unsynced_.push_back(current_);  // its header at least may not be durable, and the chain needs it
  current_ = std::move(wal);
  return Status::Ok();
}

uint64_t WalSet::CurrentSize() const {
  return current_->length;
}
FileNumber WalSet::CurrentNumber() const {
  return current_->writer->number();
}

Status WalSet::Sync(SequenceNumber sequence) {
  std::unique_lock lock(mutex_);
  sequence = std::min(sequence, appended_.load());
  if (sequence <= durable_) return Status::Ok();
  options_.counters->sync_requests.Add();
  sync_callers_.fetch_add(1);
  Status status;
  while (status.ok() && sequence > durable_) {
    if (!failure_.ok()) {
      status = failure_;
    } else if (syncing_) {
      sync_done_.wait(lock);
    } else {
      status = SyncOnce(&lock);
    }
  }
  sync_callers_.fetch_sub(1);
  return status;
}

// REQUIRES: mutex_ held, nobody else syncing. Releases it meanwhile.
Status WalSet::SyncOnce(std::unique_lock<std::mutex>* lock) {
  syncing_ = true;
  int expected = last_callers_;
  auto patience = sync_duration_ / 4;
  lock->unlock();
  AwaitCallers(expected, patience);
  lock->lock();
  SequenceNumber target = appended_;
  std::vector<WalRef> older(unsynced_.begin(), unsynced_.end());
  WalRef current = current_;
  lock->unlock();
  auto begun = std::chrono::steady_clock::now();
  Status status = SyncWals(older, current);
  auto took = std::chrono::steady_clock::now() - begun;
  // Behind the sync: what was durable before somebody took the store away was durable in it.
  Status owned = status.ok() && options_.still_ours ? options_.still_ours() : Status::Ok();
  lock->lock();
  syncing_ = false;
  last_callers_ = sync_callers_.load();
  sync_duration_ += (took - sync_duration_) / 8;
  ++sync_generation_;
  if (!owned.ok()) {
    lost_ = failed_ = true;
    if (failure_.ok()) failure_ = owned;
  } else if (status.ok()) {
    durable_ = std::max(durable_, target);
    for (const WalRef& wal : older) std::erase(unsynced_, wal);
  } else if (failure_.ok()) {
    failure_ = Status::ReadOnly("WAL sync failed, the store must be reopened: " + status.ToString());
    failed_ = true;
  }
  sync_done_.notify_all();
  return failure_;
}

// Those that the last sync let go are about to come back with their next write. Whoever is first waits for them, a
// quarter of a sync at most: else it would sync alone, and all others would wait for two syncs each. (PostgreSQL's
// commit_delay has the same aim.)
void WalSet::AwaitCallers(int expected, std::chrono::steady_clock::duration patience) const {
  if (sync_callers_.load() >= expected) return;
  auto deadline = std::chrono::steady_clock::now() + patience;
  while (sync_callers_.load() < expected && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
}

// A log on new blocks, preallocated or not, costs its host a journal commit each sync. So the first sync that comes near
// the end of what was written before writes a stretch of zeros, and those that follow are pure overwrites, as they are
// in a recycled log. Only a comfort: a log without reads the same.
void WalSet::WriteAhead(Wal* wal) {
  if (!options_.recycle) return;
  std::lock_guard lock(wal->append_mutex);
  uint64_t position = wal->writer->Size();
  if (wal->broken || position + kWriteAheadMargin <= wal->written) return;
  uint64_t begin = std::max(position, wal->written);
  uint64_t end = std::min(position + kWriteAhead, options_.preallocate_bytes);
  if (begin >= end) return;
  Status status = wal->writer->file()->WriteZeros(begin, end);
  if (!status.ok()) options_.log->Warning("{}: not written ahead: {}", WalName(wal->writer->number()), status.ToString());
  wal->written = end;
}

Status WalSet::SyncWals(const std::vector<WalRef>& older, const WalRef& current) {
  for (const WalRef& wal : older) {
    options_.counters->wal_syncs.Add();
    SILT_RETURN_IF_ERROR(wal->writer->Sync());
  }
  if (!current->promises_previous) {
    // From here on a WAL before this one that ends early is damage, and recovery must be able to tell.
    Status status = current->broken ? Status::Ok() : AppendTo(current.get(), EncodePreviousDurable());
    if (!status.ok()) options_.log->Warning("{}: no marker: {}", WalName(current->writer->number()), status.ToString());
    current->promises_previous = status.ok();
  }
  WriteAhead(current.get());
  options_.counters->wal_syncs.Add();
  return current->writer->Sync();
}

SequenceNumber WalSet::DurableSequence() const {
  std::lock_guard lock(mutex_);
  return durable_;
}

void WalSet::PrepareNext() {
  {
    std::lock_guard lock(mutex_);
    if (prepared_ != nullptr || creating_ || !failure_.ok()) return;
    creating_ = true;
  }
  Result<WalRef> wal = Create();
  if (!wal) options_.log->Warning("next WAL not prepared: {}", wal.error().ToString());
  std::lock_guard lock(mutex_);
  creating_ = false;
  if (wal) prepared_ = std::move(*wal);
  created_.notify_all();
}

void WalSet::Retire(FileNumber number, SequenceNumber flushed) {
  std::map<FileNumber, WalRef> obsolete;
  {
    std::unique_lock lock(mutex_);
    durable_ = std::max(durable_, flushed);
    auto end = needed_.lower_bound(number);
    obsolete.insert(needed_.begin(), end);
    needed_.erase(needed_.begin(), end);
    std::erase_if(unsynced_, [&](const WalRef& wal) { return wal->writer->number() < number; });
    sync_done_.notify_all();
    // A sync that began before may still be at work on them.
    uint64_t generation = sync_generation_;
    sync_done_.wait(lock, [&] { return !syncing_ || sync_generation_ != generation; });
  }
  for (auto& [old, wal] : obsolete) {
    uint64_t length = 0;
    uint64_t written = 0;
    if (wal != nullptr) {
      length = wal->length;
      written = std::max(length, wal->written);  // nobody appends any more
      Status status = wal->writer->Close();
      if (!status.ok()) options_.log->Warning("{}: {}", WalName(old), status.ToString());
    } else if (auto size = options_.storage->FileSize(JoinPath(options_.dir, WalName(old)))) {
      length = *size;
    }
    Recycle(old, length, written);
  }
}

void WalSet::Recycle(FileNumber number, uint64_t length, uint64_t written) {
  if (options_.recycle && length <= 2 * options_.preallocate_bytes) {
    std::lock_guard lock(mutex_);
    if (pool_.size() < kPoolSize) {
      pool_.push_back({number, written});
      return;
    }
  }
  Status status = options_.storage->DeleteFile(JoinPath(options_.dir, WalName(number)));
  if (!status.ok()) options_.log->Warning("{}: not deleted: {}", WalName(number), status.ToString());
}

void WalSet::Poison(const Status& why) {
  std::lock_guard lock(mutex_);
  if (failure_.ok()) failure_ = Status::ReadOnly("WAL failed, the store must be reopened: " + why.ToString());
  failed_ = true;
}

Status WalSet::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

uint64_t WalSet::FileCount() const {
  std::lock_guard lock(mutex_);
  return needed_.size() + pool_.size() + (current_ != nullptr ? 1 : 0) + (prepared_ != nullptr ? 1 : 0);
}

std::vector<std::pair<FileNumber, uint64_t>> WalSet::LiveWals() const {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<FileNumber, uint64_t>> wals;
  for (const auto& [number, wal] : needed_) wals.emplace_back(number, wal != nullptr ? wal->length.load() : 0);
  if (current_ != nullptr) wals.emplace_back(current_->writer->number(), current_->length.load());
  return wals;
}

bool WalSet::IsLive(FileNumber number) const {
  std::lock_guard lock(mutex_);
  return needed_.contains(number) || (current_ != nullptr && current_->writer->number() == number);
}

// A last record that says: everything before is durable. Without it, damage to what the last sync covered could not be
// told from a torn tail.
Status WalSet::Seal() {
  SILT_RETURN_IF_ERROR(current_->writer->Sync());
  Status marked = AppendTo(current_.get(), EncodePreviousDurable());
  if (!marked.ok()) {
    options_.log->Warning("{}: not sealed: {}", WalName(CurrentNumber()), marked.ToString());
    return Status::Ok();  // the log is whole without
  }
  return current_->writer->Sync();
}

Status WalSet::Close() {
  if (current_ == nullptr) return Status::Ok();
  Status status = Sync(kMaxSequence);
  if (status.ok() && !current_->broken) {
    status = Seal();
    // Gives back what was preallocated. Only a comfort: the log reads the same without.
    Status cut = current_->writer->file()->Truncate(current_->length);
    if (!cut.ok()) options_.log->Warning("{}: {}", WalName(CurrentNumber()), cut.ToString());
  }
  std::lock_guard lock(mutex_);
  std::vector<FileNumber> spare;
  for (const Spare& file : std::exchange(pool_, {})) spare.push_back(file.number);
  if (prepared_ != nullptr) spare.push_back(prepared_->writer->number());
  prepared_ = nullptr;
  if (lost_) spare.clear();  // the names may be another process's by now
  for (FileNumber number : spare) {
    Status deleted = options_.storage->DeleteFile(JoinPath(options_.dir, WalName(number)));
    if (!deleted.ok()) options_.log->Warning("{}: not deleted: {}", WalName(number), deleted.ToString());
  }
  Status closed = current_->writer->Close();
  current_ = nullptr;
  return status.ok() ? closed : status;
}

}  // namespace silt::lsm
