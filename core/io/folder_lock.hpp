#pragma once
// One writer to a folder.
//
// The lock (flock on the folder itself) is the kernel's: it ends with the process, however that
// ends, leaves no file behind, and an orphan that still writes still holds it. Readers take none.

#include <filesystem>
#include <optional>

namespace spikeloom {

class FolderLock {
 public:
  // Makes the folder, with those above it, and locks it. Throws Error(kRuntime) when it cannot be
  // made or opened, and when another process has the lock: nothing was touched then.
  explicit FolderLock(const std::filesystem::path& folder);
  // The same where the folder is there already; otherwise nothing.
  static std::optional<FolderLock> of_existing(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;

  // False on a file system that has no such locks (some network file systems): then nothing keeps
  // a second writer out.
  bool is_locked() const noexcept { return locked_; }
  const std::filesystem::path& path() const noexcept { return folder_; }
  // Throws Error(kRuntime) when the name no longer stands for the folder that was locked: it was
  // removed or replaced, and what lies there now is somebody else's.
  void check() const;

 private:
  FolderLock(std::filesystem::path folder, int descriptor);

  std::filesystem::path folder_;
  int descriptor_ = -1;
  bool locked_ = false;
};

}  // namespace spikeloom
