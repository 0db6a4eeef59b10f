#include "mount/session.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>

#include "mount/awake_processors.h"
#include "mount/control_socket.h"
#include "mount/daemon_log.h"
#include "mount/fuse_adapter.h"
#include "mount/mountinfo.h"
#include "mount/observe/config_text.h"
#include "mount/observe/control_directory.h"
#include "mount/observe/metrics_server.h"
#include "mount/observe/prometheus_text.h"
#include "mount/observe/request_observer.h"
#include "mount/report.h"
#include "mount/service.h"
#include "mount/service_manager.h"
#include "mount/signal_thread.h"
#include "mount/stats_report.h"
#include "mount/status_report.h"
#include "mount/store_directory.h"
#include "mount/transport.h"
#include "mount/unmount.h"

namespace silt::mount {
namespace {

using lsm::Status;

// libfuse's log has no userdata.
std::shared_ptr<spdlog::logger> g_libfuse_log;

void LogFromLibfuse(fuse_log_level level, const char* format, va_list arguments) {
  char line[512];
  if (std::vsnprintf(line, sizeof(line), format, arguments) < 0) return;
  std::string_view text(line);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (level <= FUSE_LOG_ERR) {
    g_libfuse_log->error("libfuse: {}", text);
    fmt::print(stderr, "{}\n", text);
  } else {
    g_libfuse_log->info("libfuse: {}", text);
  }
}

class Session {
 public:
  Session(const SessionConfig& config, const ReportStart& report) : config_(config), report_(report) {}

  int Run() {
    auto directory = StoreDirectory::Open(config_.store);
    if (!directory) {
      Report(directory.error());
      return kExitFailure;
    }
    directory_ = *std::move(directory);
    log_ = OpenDaemonLog(directory_->fd(), config_.options.log_level, config_.foreground);
    Status status = Start();
    if (!status.ok()) {
      log_->error("mount failed: {}", status.ToString());
      CloseStore();
      Report(status);
      return kExitFailure;
    }
    int error = Serve();
    return Finish(error) ? kExitOk : kExitFailure;
  }

 private:
  struct DestroySession {
    void operator()(fuse_session* session) const { fuse_session_destroy(session); }
  };

  void Report(const Status& status) {
    if (!reported_.exchange(true)) report_(status);
  }

  Status Start() {
    SILT_RETURN_IF_ERROR(OpenStore());
    SILT_RETURN_IF_ERROR(StartControl());
    SILT_RETURN_IF_ERROR(StartMetrics());
    return MountSession();
  }

  Status OpenStore() {
    fs::OpenOptions open;
    open.lock_description = fmt::format("pid {}, mounted at {}", ::getpid(), config_.mountpoint);
    open.memory_bytes = config_.options.memory_bytes;
    open.commit_interval_micros = config_.options.commit_micros;
    open.read_only = config_.options.read_only;
    open.storage = directory_->storage();
    open.log = SinkTo(log_);
    auto opened = fs::Filesystem::Open(open, config_.store);
    if (!opened && opened.error().code() == lsm::StatusCode::kReadOnly && !open.read_only) {
      return Status::ReadOnly(opened.error().message() + "; to read the store, mount it with -o ro");
    }
    if (!opened) return opened.error();
    filesystem_ = *std::move(opened);
    if (config_.options.awake) awake_ = std::make_unique<AwakeProcessors>();
    observer_ = std::make_unique<RequestObserver>(filesystem_.get(), awake_.get());
    if (config_.options.control_dir) MakeControlDirectory();
    Adapter::Options options{.writeback = config_.options.writeback,
                             .acl = config_.options.acl,
                             .dirsync = config_.options.dirsync,
                             .file_atime = config_.options.atime,
                             .directory_atime = config_.options.DirectoryAtime(),
                             .on_init = [this](uint64_t offered) { return transport_->OnInit(offered); },
                             .control_directory = control_directory_.get()};
    adapter_ = std::make_unique<Adapter>(filesystem_.get(), std::move(options));
    adapter_->KeepAtimes(!config_.options.read_only);
    return Status::Ok();
  }

  // Read once requests come, when there is a service.
  void MakeControlDirectory() {
    control_directory_ = std::make_unique<ControlDirectory>(std::vector<ControlDirectory::File>{
        {"stats", [this] { return StatusText(service_->Status()) + "\n" + StatsText(service_->Stats()); }},
        {"config", [this] { return ConfigText(directory_->CurrentPath(), config_.mountpoint, config_.options); }},
        {"accesslog", [this] { return service_->AccessLogText(); }}});
  }

  Status StartMetrics() {
    if (config_.options.metrics.empty()) return Status::Ok();
    auto address = MetricsAddress::Parse(config_.options.metrics);
    if (!address) return address.error();
    auto started = MetricsServer::Start(*address, [this] {
      return PrometheusText(service_->Status(), filesystem_->db().GetStats(), adapter_->counters(),
                            observer_->latencies());
    });
    if (!started) return started.error();
    metrics_ = *std::move(started);
    log_->info("metrics at {}", config_.options.metrics);
    return Status::Ok();
  }

  Status StartControl() {
    MountFacts facts{.pid = ::getpid(),
                     .mountpoint = config_.mountpoint,
                     .read_only = config_.options.read_only,
                     .uptime_seconds = 0,
                     .transport = {},
                     .awake = {}};
    service_ = std::make_unique<Service>(&*directory_, facts, adapter_.get(), observer_.get(), &transport_status_,
                                         awake_.get());
    auto started =
        ControlServer::Start(directory_->fd(), config_.store,
                             [this](const nlohmann::json& request, const EventSink& emit, const StopCheck& unwanted) {
                               return service_->Answer(request, emit, unwanted);
                             });
    if (started) {
      control_ = *std::move(started);
    } else if (config_.options.read_only && started.error().code() != lsm::StatusCode::kBusy) {
      log_->warn("no control socket: {}", started.error().ToString());  // a read-only medium
    } else {
      return started.error();
    }
    return Status::Ok();
  }

  Status MountSession() {
    g_libfuse_log = log_;
    fuse_set_log_func(&LogFromLibfuse);
    std::vector<std::string> options = LibfuseOptions(config_.options, config_.store, ::geteuid() == 0);
    std::vector<std::string> words = {"siltfs", "-o", fmt::format("{}", fmt::join(options, ","))};
    if (config_.options.debug) words.emplace_back("-d");
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(pointers.size()), pointers.data());
    session_.reset(fuse_session_new(&arguments, &AdapterOperations(), sizeof(fuse_lowlevel_ops), adapter_.get()));
    fuse_opt_free_args(&arguments);
    if (!session_) return Status::InvalidArgument("libfuse refused the mount options; see siltfs mount --help");
    adapter_->SetSession(session_.get());
    const pid_t self = ::getpid();
    if (fuse_session_mount(session_.get(), config_.mountpoint.c_str()) != 0) {
      // libfuse forks to note the mount, and where setuid(2) is forbidden its child comes back, too: not to close the
      // store.
      if (::getpid() != self) ::_exit(kExitFailure);
      return Status::IoError(
          fmt::format("{}: mounting failed; is FUSE available (/dev/fuse, fusermount3) and the "
                      "mountpoint yours?",
                      config_.mountpoint));
    }
    mounted_ = true;
    MakeTransport();
    RaiseReadahead();
    log_->info("mounted {} at {}, siltfs {}, options {}", config_.store, config_.mountpoint, SILT_VERSION,
               fmt::join(options, ","));
    return Status::Ok();
  }

  void MakeTransport() {
    Transport::Options options{.observer = observer_.get(),
                               .io_uring = config_.options.io_uring,
                               .ring_memory_bytes = config_.options.RingMemoryBytes(),
                               .max_threads = config_.options.max_threads,
                               .sync =
                                   [this] {
                                     auto synced = filesystem_->SyncAll();
                                     return synced ? 0 : synced.error().value();
                                   },
                               .ready = [this] { OnReady(); },
                               .broken =
                                   [this](const std::string& why) {
                                     log_->error("{}: {}", config_.mountpoint, why);
                                     ::kill(::getpid(), SIGTERM);  // the signal thread unmounts
                                   }};
    transport_ = std::make_unique<Transport>(session_.get(), std::move(options), &transport_status_);
  }

  void OnReady() {
    TransportStatus::Facts facts = transport_status_.Get();
    log_->info("requests come over {}{}{}", facts.name, facts.detail.empty() ? "" : "; ", facts.detail);
    TellServiceManager(
        fmt::format("READY=1\nMAINPID={}\nSTATUS={} at {}", ::getpid(), config_.store, config_.mountpoint));
    Report(Status::Ok());
  }

  // The kernel caps readahead at 128 KiB for FUSE; only root may raise it. Best effort. INIT then agrees to as much.
  void RaiseReadahead() {
    auto mount = FindSiltfsMount(config_.mountpoint);
    if (!mount || ::geteuid() != 0) return;
    std::ofstream(fmt::format("/sys/class/bdi/{}/read_ahead_kb", mount->device)) << 1024;
  }

  // Returns the loop's error, 0 after an unmount.
  int Serve() {
    SignalThread signals([this](int signal) { UnmountOnSignal(signal); });
    return transport_->Run();
  }

  void UnmountOnSignal(int signal) {
    log_->info("signal {}: unmounting {}", signal, config_.mountpoint);
    TellServiceManager("STOPPING=1\nSTATUS=unmounting");
    std::vector<std::string> mountpoints = MountpointsOf(ReadMountinfo(), config_.store);
    if (mountpoints.empty()) mountpoints.push_back(config_.mountpoint);  // seen or not, it was made by us
    for (const std::string& mountpoint : mountpoints) UnmountOrDetach(mountpoint);
  }

  void UnmountOrDetach(const std::string& mountpoint) {
    Status status = Unmount(mountpoint, /*lazy=*/false);
    if (status.code() == lsm::StatusCode::kBusy) {
      if (auto synced = filesystem_->SyncAll(); !synced) log_->error("sync: errno {}", synced.error().value());
      TellServiceManager("STATUS=detached, waiting for its last user");
      log_->warn("{} is in use: detached; the store is closed when its last user is gone", mountpoint);
      status = Unmount(mountpoint, /*lazy=*/true);
    }
    if (!status.ok()) log_->error("unmounting {}: {}", mountpoint, status.ToString());
  }

  bool Finish(int error) {
    if (error != 0) log_->error("the request loop failed: error {}", error);
    // Before the kernel had said hello, the mount was taken away again.
    Report(Status::IoError("unmounted while it started"));
    bool closed = CloseStore();
    if (closed) log_->info("unmounted {}", config_.mountpoint);
    log_->flush();
    return error == 0 && closed;
  }

  // In this order: requests of verbs end, the store is closed and its lock released, and only then do the clients that
  // wait for it (siltfs umount) see their connections end.
  bool CloseStore() {
    TellServiceManager("STOPPING=1\nSTATUS=closing the store");
    if (service_) service_->SetClosing();
    if (session_ && mounted_) fuse_session_unmount(session_.get());
    transport_.reset();
    session_.reset();
    metrics_.reset();
    bool ok = true;
    if (filesystem_) {
      Status status = filesystem_->Close();
      if (control_) control_->Drain();
      if (!status.ok()) log_->error("closing {}: {}", config_.store, status.ToString());
      ok = status.ok();
      filesystem_.reset();
    }
    control_.reset();
    log_->flush();
    return ok;
  }

  const SessionConfig& config_;
  const ReportStart& report_;
  std::atomic<bool> reported_{false};
  std::optional<StoreDirectory> directory_;  // of the store; before all that uses its files
  std::shared_ptr<spdlog::logger> log_;
  std::unique_ptr<fs::Filesystem> filesystem_;
  std::unique_ptr<AwakeProcessors> awake_;
  std::unique_ptr<RequestObserver> observer_;
  std::unique_ptr<ControlDirectory> control_directory_;
  std::unique_ptr<Adapter> adapter_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<MetricsServer> metrics_;
  TransportStatus transport_status_;
  std::unique_ptr<fuse_session, DestroySession> session_;
  std::unique_ptr<Transport> transport_;
  bool mounted_ = false;
};

}  // namespace

int RunSession(const SessionConfig& config, const ReportStart& report) {
  ::umask(077);  // the store's files hold everybody's data
  BlockTerminationSignals();
  Session session(config, report);
  return session.Run();
}

}  // namespace silt::mount
