#include "lsm/status.h"

namespace silt::lsm {
namespace {

std::string_view CodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "ok";
    case StatusCode::kNotFound: return "not found";
    case StatusCode::kCorruption: return "corruption";
    case StatusCode::kIoError: return "I/O error";
    case StatusCode::kNoSpace: return "no space";
    case StatusCode::kInvalidArgument: return "invalid argument";
    case StatusCode::kBusy: return "busy";
    case StatusCode::kReadOnly: return "read-only";
    case StatusCode::kNotSupported: return "not supported";
    case StatusCode::kAborted: return "aborted";
  }
  return "unknown";
}

}  // namespace

std::string Status::ToString() const {
  std::string text(CodeName(code_));
  if (!message_.empty()) text.append(": ").append(message_);
  return text;
}

}  // namespace silt::lsm
