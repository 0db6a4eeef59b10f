#include "fs/lock_order.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace silt::fs::lock_order {
namespace {

void Abort(Position held, Position wanted) {
  std::fprintf(stderr, "lock order: rank %d number %llu wanted while rank %d number %llu is held\n", wanted.first,
               static_cast<unsigned long long>(wanted.second), held.first,
               static_cast<unsigned long long>(held.second));
  std::abort();
}

std::atomic<Handler> handler{&Abort};

}  // namespace

void SetHandler(Handler replacement) {
  handler = replacement ? replacement : &Abort;
}

#ifndef NDEBUG
namespace {
thread_local std::vector<Position> held_by_thread;
}

void Acquire(Position wanted) {
  for (const Position& held : held_by_thread) {
    if (held >= wanted) {
      handler.load()(held, wanted);
      break;
    }
  }
  held_by_thread.push_back(wanted);
}

void Release(Position held) {
  auto at = std::find(held_by_thread.begin(), held_by_thread.end(), held);
  if (at != held_by_thread.end()) held_by_thread.erase(at);
}
#endif

}  // namespace silt::fs::lock_order
