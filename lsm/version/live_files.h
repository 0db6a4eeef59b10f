// The tables that a sequence of version edits leaves live: checks each edit against them, and lays them out as a
// Version.
#pragma once

#include <unordered_map>

#include "lsm/options.h"
#include "lsm/status.h"
#include "lsm/version/version.h"

namespace silt::lsm {

// Not thread-safe.
class LiveFiles {
 public:
  struct Place {
    FamilyId family;
    int level;
    FileRef file;
  };

  explicit LiveFiles(size_t families) : families_(families) {}

  // Whether the edit fits: files that it deletes are where it says, those that it adds are new, or moved by the same
  // edit, and are well formed. Corruption (without a file's name) otherwise. Key order within levels is Build's to
  // check.
  Status Check(const VersionEdit& edit) const;
  // REQUIRES: Check(edit) is ok.
  void Apply(const VersionEdit& edit);

  // Null when it is not live.
  const Place* Find(FileNumber number) const;
  const std::unordered_map<FileNumber, Place>& places() const { return places_; }

  // Everything, as a Version. Corruption (without a file's name) when two files of a level >= 1 overlap.
  Result<std::shared_ptr<Version>> Build() const;

 private:
  size_t families_;
  std::unordered_map<FileNumber, Place> places_;
};

// `base` changed by an edit that LiveFiles::Check accepted; only the levels that it names are laid out anew.
Result<std::shared_ptr<Version>> ApplyToVersion(const Version& base, const VersionEdit& edit);

}  // namespace silt::lsm
