// Threads that run what is given to them, as many as there is work for at once, up to a limit.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace silt::mount {

// Thread-safe.
class WorkerPool {
 public:
  explicit WorkerPool(unsigned max_threads) : max_threads_(max_threads) {}
  // Runs what was added, then returns.
  ~WorkerPool();

  void Add(std::function<void()> work);

 private:
  void Run();

  const unsigned max_threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;  // guarded by mutex_, as all below
  unsigned idle_ = 0;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace silt::mount
