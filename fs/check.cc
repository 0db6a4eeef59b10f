// fsck from the outside: locks and opens the store, has the engine check its files, then walks the records.
#include "fs/check.h"

#include <fmt/format.h>

#include <algorithm>

#include "fs/check_context.h"
#include "lsm/filenames.h"
#include "lsm/repair.h"

namespace silt::fs {
namespace {

using lsm::Fail;
using lsm::Result;
using lsm::Status;
using lsm::StatusCode;

class StoreCheck {
 public:
  StoreCheck(const CheckOptions& options, const std::string& path)
      : options_(options), path_(path), engine_(Filesystem::EngineOptions(Opened(options))) {
    engine_.read_only = !options.repair;
    engine_.create_if_missing = engine_.error_if_exists = false;
  }

  Result<CheckReport> Run() {
    lsm::Storage* storage = engine_.storage != nullptr ? engine_.storage : lsm::Storage::Posix();
    if (!lsm::StoreExists(engine_, path_)) return Fail(Status::NotFound(path_ + ": there is no store here"));
    auto directory = storage->OpenDirectory(path_);
    if (!directory) return Fail(directory.error());
    storage_ = *std::move(directory);
    engine_.storage = storage_.get();
    if (Status status = Open(); !status.ok()) return Fail(status);
    if (Status status = Verify(); !status.ok()) return Fail(status);
    Status status = check::Walk(db_.get(), options_, bytes_, 2 * bytes_ + 1, &report_);
    // What was found still counts when a damaged table stopped the walk.
    if (status.IsCorruption()) {
      AddProblem(fmt::format("the check of the records stopped: {}", status.message()), false);
    } else if (!status.ok()) {
      return Fail(status);
    }
    if (Status closed = db_->Close(); !closed.ok()) return Fail(closed);
    if (options_.progress) options_.progress(2 * bytes_ + 1, 2 * bytes_ + 1);
    return std::move(report_);
  }

 private:
  static OpenOptions Opened(const CheckOptions& options) {
    OpenOptions open = options.open;
    open.read_only = !options.repair;
    if (open.lock_description.empty()) open.lock_description = "fsck";
    return open;
  }

  void AddProblem(std::string what, bool repaired) {
    report_.problems.push_back({.what = std::move(what), .repaired = repaired});
  }

  Status Open() {
    if (!options_.repair) SILT_RETURN_IF_ERROR(Lock());
    Status status = OpenEngine();
    if (!status.IsCorruption() || !options_.repair) return status;
    AddProblem(fmt::format("{} (repaired: the list of tables rebuilt from the tables)", status.message()), true);
    return RepairEngine();
  }

  // A read-only engine takes no lock: this one keeps a mount from changing the store under the check.
  Status Lock() {
    auto lock = storage_->LockFile(lsm::JoinPath(path_, lsm::kLockName), engine_.lock_description);
    if (lock) {
      lock_ = std::move(*lock);
      return Status::Ok();
    }
    // A disk or a user that cannot write: nobody else who could not lock would write either.
    return lock.error().code() == StatusCode::kReadOnly ? Status::Ok() : lock.error();
  }

  Status OpenEngine() {
    auto db = lsm::Db::Open(engine_, path_);
    if (!db) return db.error();
    db_ = std::move(*db);
    return Status::Ok();
  }

  Status RepairEngine() {
    if (db_ != nullptr) SILT_RETURN_IF_ERROR(db_->Close());
    db_.reset();
    auto repaired = lsm::Repair(engine_, path_, options_.progress);
    if (!repaired) return repaired.error();
    for (const std::string& note : repaired->notes) AddProblem(note, true);
    for (const std::string& file : repaired->moved_aside) {
      AddProblem(fmt::format("{} (repaired: moved to {}/{})", file, path_, lsm::kLostDirName), true);
    }
    return OpenEngine();
  }

  // Damage of the engine's files, by name. With repair the damaged ones are put aside, and the walk of the records
  // mends what that tears apart.
  Status Verify() {
    bool damaged = false;
    SILT_RETURN_IF_ERROR(VerifyOnce(options_.repair, &damaged));
    if (!damaged || !options_.repair) return Status::Ok();
    SILT_RETURN_IF_ERROR(RepairEngine());
    return VerifyOnce(false, &damaged);
  }

  Status VerifyOnce(bool will_repair, bool* damaged) {
    lsm::Db::VerifyCallbacks callbacks;
    callbacks.damage = [&](const std::string& file, const Status& what) {
      *damaged = true;
      AddProblem(fmt::format("{}: {}", file, what.message()), will_repair);
    };
    callbacks.progress = [&](uint64_t done, uint64_t total) {
      bytes_ = total;
      // The walk is taken for the other half of the work.
      if (options_.progress) options_.progress(std::min(done, total), 2 * total + 1);
    };
    return db_->Verify(callbacks);
  }

  const CheckOptions& options_;
  const std::string& path_;
  lsm::Options engine_;
  std::shared_ptr<lsm::Storage> storage_;  // bound to the store's directory
  std::unique_ptr<lsm::FileLock> lock_;
  std::unique_ptr<lsm::Db> db_;
  CheckReport report_;
  uint64_t bytes_ = 0;  // of the engine's files
};

}  // namespace

lsm::Result<CheckReport> Check(const CheckOptions& options, const std::string& path) {
  return StoreCheck(options, path).Run();
}

}  // namespace silt::fs
