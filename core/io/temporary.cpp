#include "core/io/temporary.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".tmp", kJournal = ".journal";
constexpr size_t kDigits = 16, kAdded = 1 + kDigits + kSuffix.size();
constexpr int kTries = 8;

// strerror is not thread-safe; the standard category is.
[[noreturn]] void fail(const fs::path& path, const char* doing, int error) {
  throw Error(ErrorCode::kRuntime,
              path.string() + ": " + doing + ": " + std::generic_category().message(error));
}

// What stands in front of the digits: a long name leaves room for them and for a journal's.
std::string_view stem_of(std::string_view final_name) {
  return final_name.substr(0, NAME_MAX - kAdded - kJournal.size());
}

fs::path random_name(const fs::path& final_name) {
  uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits)
    fail(final_name, "no random name for its temporary file", errno);
  const std::string name = final_name.filename().string();
  return final_name.parent_path() /
         (std::string(stem_of(name)) + "." + hex64(bits) + std::string(kSuffix));
}

// The lock that tells the living from the dead. False when a remover was faster; where a file
// system has no locks, nothing is ever removed.
bool hold(int descriptor) noexcept {
  while (::flock(descriptor, LOCK_SH | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) return true;
  }
  struct stat info {};
  return ::fstat(descriptor, &info) == 0 && info.st_nlink > 0;
}

// Whether the name still stands for the open file.
bool is_same(const fs::path& path, int descriptor) noexcept {
  struct stat open {
  }, named{};
  return ::fstat(descriptor, &open) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

void remove_if_dead(const fs::path& path) noexcept {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return;
  struct stat info {};
  if (::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == ::geteuid() &&
      ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 && is_same(path, descriptor)) {
    ::unlink((path.native() + std::string(kJournal)).c_str());
    ::unlink(path.c_str());
  }
  ::close(descriptor);
}

}  // namespace

TemporaryFile::TemporaryFile(fs::path final_name) : final_name_(std::move(final_name)) {
  // The final rename would put a plain file in the place of a device, a pipe or a link.
  struct stat info {};
  if (::lstat(final_name_.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    throw Error(ErrorCode::kRuntime, final_name_.string() + ": exists and is not a regular file");
  remove_leftovers(final_name_.parent_path(), final_name_.filename().native());
  for (int tries = 0; tries < kTries; ++tries) {
    path_ = random_name(final_name_);
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) fail(final_name_, "cannot be created", errno);
    if (descriptor_ >= 0 && hold(descriptor_)) return;
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  fail(final_name_, "cannot be created", EEXIST);
}

TemporaryFile::~TemporaryFile() {
  if (descriptor_ < 0) return;
  if (!kept_ && is_same(path_, descriptor_)) ::unlink(path_.c_str());
  ::close(descriptor_);
}

int TemporaryFile::publish() noexcept {
  if (descriptor_ < 0) return EBADF;
  if (::fsync(descriptor_) != 0) return errno;
  struct stat info {};
  if (::lstat(path_.c_str(), &info) != 0) return errno;
  if (!is_same(path_, descriptor_)) return ESTALE;
  if (::rename(path_.c_str(), final_name_.c_str()) != 0) return errno;
  return ::close(std::exchange(descriptor_, -1)) == 0 ? 0 : errno;
}

bool is_temporary_name(std::string_view name, std::string_view final_name) {
  if (name.size() <= kAdded || !name.ends_with(kSuffix)) return false;
  const size_t dot = name.size() - kAdded;
  const std::string_view digits = name.substr(dot + 1, kDigits);
  return name[dot] == '.' && digits.find_first_not_of("0123456789abcdef") == digits.npos &&
         (final_name.empty() || name.substr(0, dot) == stem_of(final_name));
}

void remove_leftovers(const fs::path& folder, std::string_view final_name) {
  std::error_code stop;
  std::vector<fs::path> found;
  fs::directory_iterator entries(folder.empty() ? "." : folder, stop);
  for (; !stop && entries != fs::directory_iterator(); entries.increment(stop)) {
    const std::string name = entries->path().filename().string();
    if (is_temporary_name(name, final_name)) found.push_back(entries->path());
  }
  for (const fs::path& path : found) remove_if_dead(path);
}

ClaimedFile::ClaimedFile(fs::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor_ < 0 && errno == ENOENT) return;
  struct stat info {};
  const bool plain = descriptor_ >= 0 && ::fstat(descriptor_, &info) == 0 &&
                     S_ISREG(info.st_mode) && info.st_nlink == 1;
  if (plain && hold(descriptor_)) return;
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  throw Error(ErrorCode::kData, path_.string() + ": is no file that an unfinished run wrote");
}

ClaimedFile::~ClaimedFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ClaimedFile::ClaimedFile(ClaimedFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

ClaimedFile& ClaimedFile::operator=(ClaimedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace spikeloom
