#include "fs/result.h"

namespace silt::fs {

int ErrnoOf(const lsm::Status& status) {
  switch (status.code()) {
    case lsm::StatusCode::kOk:
      return 0;
    case lsm::StatusCode::kNotFound:
      return ENOENT;
    case lsm::StatusCode::kNoSpace:
      return ENOSPC;
    case lsm::StatusCode::kInvalidArgument:
      return EINVAL;
    case lsm::StatusCode::kBusy:
      return EBUSY;
    case lsm::StatusCode::kReadOnly:
      return EROFS;
    case lsm::StatusCode::kNotSupported:
      return EOPNOTSUPP;
    case lsm::StatusCode::kCorruption:
    case lsm::StatusCode::kIoError:
    case lsm::StatusCode::kAborted:
      return EIO;
  }
  return EIO;
}

}  // namespace silt::fs
