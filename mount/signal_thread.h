// Runs a function on a thread of its own when the process is asked to end.
#pragma once

#include <functional>
#include <thread>

#include "mount/unique_fd.h"

namespace silt::mount {

// Blocks SIGTERM, SIGINT and SIGHUP in the calling thread and in every thread that it starts, and ignores SIGPIPE.
// REQUIRES: called before any thread is started.
void BlockTerminationSignals();

// Calls `on_signal` for each such signal, one at a time, until destroyed.
// REQUIRES: BlockTerminationSignals was called.
class SignalThread {
 public:
  explicit SignalThread(std::function<void(int signal)> on_signal);
  ~SignalThread();

 private:
  void Run();

  std::function<void(int signal)> on_signal_;
  UniqueFd signals_;
  UniqueFd stop_;
  std::thread thread_;
};

}  // namespace silt::mount
