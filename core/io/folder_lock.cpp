#include "core/io/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "core/error.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

Error fault(const fs::path& folder, const std::string& what, int error) {
  return {ErrorCode::kRuntime,
          folder.string() + ": " + what + ": " + std::generic_category().message(error)};
}

// -1 and errno where there is no folder.
int open_folder(const fs::path& folder) {
  return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw fault(folder, "cannot create the output folder", error.value());
  return open_folder(folder);
}

// What flock says where a file system knows no locks on folders (NFS wants a file open for
// writing).
bool is_unsupported(int error) {
  return error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS || error == EBADF ||
         error == EINVAL;
}

}  // namespace

FolderLock::FolderLock(fs::path folder, int descriptor)
    : folder_(std::move(folder)), descriptor_(descriptor) {
  if (descriptor_ < 0) throw fault(folder_, "cannot open the output folder", errno);
  int error = 0;
  while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && (error = errno) == EINTR) error = 0;
  try {
    if (error == EWOULDBLOCK)
      throw Error(
          ErrorCode::kRuntime,
          folder_.string() + ": another run is writing to this folder; nothing was touched");
    if (error != 0 && !is_unsupported(error))
      throw fault(folder_, "cannot lock the output folder", error);
    locked_ = error == 0;
    check();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

FolderLock::FolderLock(const fs::path& folder) : FolderLock(folder, make_folder(folder)) {}

std::optional<FolderLock> FolderLock::of_existing(const fs::path& folder) {
  const int descriptor = open_folder(folder);
  if (descriptor < 0) return std::nullopt;
  return FolderLock(folder, descriptor);
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : folder_(std::move(other.folder_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      locked_(other.locked_) {}

void FolderLock::check() const {
  struct stat locked {
  }, named{};
  if (::fstat(descriptor_, &locked) != 0 || ::stat(folder_.c_str(), &named) != 0)
    throw fault(folder_, "the output folder is gone", errno);
  if (locked.st_dev != named.st_dev || locked.st_ino != named.st_ino)
    throw Error(ErrorCode::kRuntime,
                folder_.string() + ": the output folder was replaced while it was written to");
}

}  // namespace spikeloom
