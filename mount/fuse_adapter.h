// Between the kernel and the filesystem: each request is decoded, handed to fs::Filesystem and answered. No lock of the
// filesystem is held while a reply is sent, and nothing here decides what an operation means.
//
// Lookup counts: each reply that carries an entry counts one reference in the kernel, and the filesystem counted it
// when it answered. When a reply does not arrive (the caller was interrupted) the reference is given back at once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "fs/filesystem.h"
#include "mount/attribute_answers.h"
#include "mount/fuse_api.h"
#include "mount/request_counters.h"

namespace silt::mount {

// One mounter owns all state, so what the kernel knows stays true until the kernel itself changes it.
inline constexpr double kForever = 1e9;  // seconds

// Bytes of data in one READ or WRITE; libfuse and the kernel go no further.
inline constexpr unsigned kMaxWrite = 1 << 20;

class ControlDirectory;

// Lives longer than the session that it serves. Thread-safe.
class Adapter {
 public:
  struct Options {
    bool writeback = false;
    bool acl = true;
    bool dirsync = false;                              // changes of directories are durable before they are answered
    fs::AtimeRule file_atime = fs::AtimeRule::kNever;  // kNever: open(2) costs no request, and so for directories
    fs::AtimeRule directory_atime = fs::AtimeRule::kNever;
    // Called when the kernel says hello, with what it offers; returns what to accept that libfuse has no name for.
    std::function<uint64_t(uint64_t offered)> on_init;
    ControlDirectory* control_directory = nullptr;  // .siltfs, if there is to be one; outlives the session
  };
  Adapter(fs::Filesystem* filesystem, Options options)
      : filesystem_(filesystem),
        options_(std::move(options)),
        dirsync_(options_.dirsync),
        answers_(lsm::Clock::System()) {}

  fs::Filesystem& filesystem() { return *filesystem_; }
  const Options& options() const { return options_; }
  RequestCounters& counters() { return counters_; }
  // As the mount options say, until a remount.
  void SetDirsync(bool dirsync) { dirsync_ = dirsync; }
  bool dirsync() const { return dirsync_; }
  // While the mount is read-only, reading moves nothing.
  void KeepAtimes(bool keep) { atimes_kept_ = keep; }
  bool atimes_kept() const { return atimes_kept_; }
  // Once, before requests come.
  void SetSession(fuse_session* session) { session_ = session; }
  fuse_session* session() const { return session_; }
  AttributeAnswers& answers() { return answers_; }

 private:
  fs::Filesystem* filesystem_;
  Options options_;
  std::atomic<bool> dirsync_;
  std::atomic<bool> atimes_kept_{false};
  RequestCounters counters_;
  fuse_session* session_ = nullptr;
  AttributeAnswers answers_;
};

// The table of operations; every one is called with an Adapter* as libfuse's userdata.
const fuse_lowlevel_ops& AdapterOperations();

// Negotiates capabilities. fuse_init.cc.
void InitConnection(void* userdata, fuse_conn_info* connection);

// The kernel's view of attributes.
struct stat ToStat(const fs::Attributes& attributes);

}  // namespace silt::mount
