// One of the two directories that calls are made on. The process is chrooted into it for each call, so that "/", ".."
// and absolute symlinks mean the same on both.
#pragma once

#include <array>
#include <string>

#include "mount/unique_fd.h"
#include "tests/posix/call.h"

namespace silt::posix {

struct Outcome {
  int error = 0;
  std::string value;  // what the call returned, without what may differ between two directories

  friend bool operator==(const Outcome&, const Outcome&) = default;
};
// As in a script: the errno's name, or the value, or "ok" where there is none.
std::string Describe(const Outcome& outcome);

// The ids that users 1 and 2 have; group kSharedGroup is a supplementary one of both.
inline constexpr unsigned kFirstUser = 10000;
inline constexpr unsigned kSharedGroup = 10003;

// REQUIRES: root.
class Side {
 public:
  static constexpr size_t kSlots = 6;  // descriptors that calls name by number

  explicit Side(std::string path);

  const std::string& path() const { return path_; }
  // The process's root and working directory become this side's; Leave undoes it.
  void Enter();
  static void Leave();

  // REQUIRES: entered.
  Outcome Do(const Call& call);
  void CloseAll();
  int slot(size_t number) const { return slots_[number].get(); }
  mount::UniqueFd& slot_for(size_t number) { return slots_[number]; }
  mount::UniqueFd& working_directory() { return working_directory_; }

 private:
  const std::string path_;
  mount::UniqueFd root_;
  mount::UniqueFd working_directory_;
  std::array<mount::UniqueFd, kSlots> slots_;
};

// Whether there is such a call with so many arguments.
bool KnowsCall(const Call& call);

}  // namespace silt::posix
