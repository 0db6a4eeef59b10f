// How every fallible call of the engine reports: a Status, or a Result<T> that holds a value or a Status.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace silt::lsm {

enum class StatusCode : uint8_t {
  kOk,
  kNotFound,         // the key, file or store does not exist
  kCorruption,       // bytes that were read are not the bytes that were written; the message names file and offset
  kIoError,          // the operating system refused or failed; the message names the call and the file
  kNoSpace,          // the host's disk or quota is full; nothing was lost, the call may be tried again later
  kInvalidArgument,  // the caller's mistake
  kBusy,             // another process holds the store; the message says which
  kReadOnly,         // the store was opened read-only, or went read-only after a failure that the message names
  kNotSupported,     // a format version or feature that this program does not know
  kAborted,          // the store is closing
};

// A result code with a message of one line. Cheap when ok. Not thread-safe to mutate; copies are independent.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  static Status NotFound(std::string m = {}) { return {StatusCode::kNotFound, std::move(m)}; }
  static Status Corruption(std::string m) { return {StatusCode::kCorruption, std::move(m)}; }
  static Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
  static Status NoSpace(std::string m) { return {StatusCode::kNoSpace, std::move(m)}; }
  static Status InvalidArgument(std::string m) { return {StatusCode::kInvalidArgument, std::move(m)}; }
  static Status Busy(std::string m) { return {StatusCode::kBusy, std::move(m)}; }
  static Status ReadOnly(std::string m) { return {StatusCode::kReadOnly, std::move(m)}; }
  static Status NotSupported(std::string m) { return {StatusCode::kNotSupported, std::move(m)}; }
  static Status Aborted(std::string m) { return {StatusCode::kAborted, std::move(m)}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  bool IsNotFound() const { return code_ == StatusCode::kNotFound; }
  bool IsCorruption() const { return code_ == StatusCode::kCorruption; }
  bool IsNoSpace() const { return code_ == StatusCode::kNoSpace; }

  // "corruption: 000012.sst at offset 4096: checksum mismatch"; "ok".
  std::string ToString() const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

template <class T>
using Result = tl::expected<T, Status>;

inline tl::unexpected<Status> Fail(Status status) { return tl::unexpected<Status>(std::move(status)); }

// Returns the status of the expression from the enclosing function unless it is ok. For functions that return Status.
#define SILT_RETURN_IF_ERROR(expr)                 \
  do {                                             \
    if (auto silt_status = (expr); !silt_status.ok()) return silt_status; \
  } while (false)

}  // namespace silt::lsm
