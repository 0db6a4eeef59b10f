// A log file that is rotated, opened by name in a directory that is held open. A symbolic link, a FIFO or a file with
// other names (hard links) in its place is replaced, not followed: it is not the daemon's.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <mutex>
#include <optional>
#include <string>

#include "mount/unique_fd.h"

namespace silt::mount {

// NAME.log; older ones are NAME.1.log and so on. Thread-safe, as sinks are.
class LogFile final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // `directory` is duplicated. nullptr when the file cannot be written.
  static std::shared_ptr<LogFile> Open(int directory, const std::string& name, size_t max_bytes, size_t old_files);

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  LogFile(UniqueFd directory, std::string name, size_t max_bytes, size_t old_files)
      : directory_(std::move(directory)), name_(std::move(name)), max_bytes_(max_bytes), old_files_(old_files) {}
  bool OpenFile();
  void Rotate();
  std::string NameOf(size_t old) const;

  const UniqueFd directory_;
  const std::string name_;  // with .log
  const size_t max_bytes_;
  const size_t old_files_;
  UniqueFd file_;
  size_t size_ = 0;
};

}  // namespace silt::mount
