// lost/ inside a store: where Repair puts the files that it replaced or could not read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lsm/status.h"
#include "lsm/storage/storage.h"

namespace silt::lsm {

// Not thread-safe. Names are of files in the store's directory.
class LostFiles {
 public:
  LostFiles(Storage* storage, std::string dir);

  // The file is in lost/ from now on, and still where it was. Durable after Sync.
  Status Copy(const std::string& name);
  // The same, and no longer where it was.
  Status Move(const std::string& name);
  Status Sync();
  // Of the files moved or copied, as they are called in lost/.
  const std::vector<std::string>& names() const { return names_; }

 private:
  Result<std::string> NewPath(const std::string& name);

  Storage* const storage_;
  const std::string dir_;
  const std::string lost_;
  std::vector<std::string> names_;
};

// Writes the first `size` bytes of a file to another one, durably but for its name.
Status CopyBytes(Storage* storage, const std::string& from, const std::string& to, uint64_t size);

}  // namespace silt::lsm
