#include "mount/daemon_log.h"

#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "mount/log_file.h"

namespace silt::mount {
namespace {

constexpr size_t kLogBytes = 4 << 20;
constexpr size_t kOldLogs = 3;

spdlog::sink_ptr FileSink(int store_directory) {
  auto file = LogFile::Open(store_directory, std::string(kLogName), kLogBytes, kOldLogs);
  if (file) return file;
  return std::make_shared<spdlog::sinks::null_sink_mt>();
}

}  // namespace

std::shared_ptr<spdlog::logger> OpenDaemonLog(int store_directory, const std::string& level, bool foreground) {
  std::vector<spdlog::sink_ptr> sinks = {FileSink(store_directory)};
  if (foreground) {
    auto terminal = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    terminal->set_level(spdlog::level::warn);
    sinks.push_back(std::move(terminal));
  }
  auto log = std::make_shared<spdlog::logger>("siltfs", sinks.begin(), sinks.end());
  log->set_pattern("%Y-%m-%d %H:%M:%S.%e %P %l: %v");
  log->set_level(spdlog::level::from_str(level));
  log->flush_on(spdlog::level::info);  // few lines, and the last ones before a crash matter most
  // A full disk must not make the log complain about itself on stderr, which is closed anyway.
  log->set_error_handler([](const std::string&) {});
  return log;
}

lsm::LogSink SinkTo(std::shared_ptr<spdlog::logger> log) {
  return [log = std::move(log)](lsm::LogLevel level, std::string_view line) {
    switch (level) {
      case lsm::LogLevel::kInfo:
        log->info("{}", line);
        return;
      case lsm::LogLevel::kWarning:
        log->warn("{}", line);
        return;
      case lsm::LogLevel::kError:
        log->error("{}", line);
        return;
    }
  };
}

}  // namespace silt::mount
