#pragma once

#include <filesystem>

namespace eptsim::sim::sweep {

/// Holds the file `lock` in a folder, so that one sweep at a time is at work there. Goes with the
/// process, however that ends; children don't have it. The file stays.
class FolderLock {
 public:
  /// Throws InputError if another process has it.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace eptsim::sim::sweep
