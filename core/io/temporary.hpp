#pragma once
// Files that are being made, beside their final names.
//
// "<name>.<16 random hex digits>.tmp": made exclusively under a name that nobody can have put
// anything at, so no link is followed and nothing is overwritten. While a process has the file open
// it holds a shared lock on it (flock), which the kernel takes back however the process ends: what
// a killed one left can be told from what a living one writes.

#include <filesystem>
#include <string_view>

namespace spikeloom {

// Not thread-safe.
class TemporaryFile {
 public:
  // A new, empty file open for reading and writing; removes what killed processes left of the same
  // final name. Throws Error(kRuntime) naming the path: no such folder, a folder, link or device
  // under the final name, ...
  explicit TemporaryFile(std::filesystem::path final_name);
  // Removes the file unless it was published or is to be kept.
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int descriptor() const noexcept { return descriptor_; }
  const std::filesystem::path& path() const noexcept { return path_; }
  const std::filesystem::path& final_name() const noexcept { return final_name_; }
  // From now on it stays behind when it is not published.
  void keep() noexcept { kept_ = true; }
  // Brings it to the disk, gives it its final name and closes it. 0 or errno.
  int publish() noexcept;

 private:
  std::filesystem::path final_name_, path_;
  int descriptor_ = -1;
  bool kept_ = false;
};

// Whether `name` is one that TemporaryFile would give to a file called `final_name`; "": to any.
bool is_temporary_name(std::string_view name, std::string_view final_name = {});

// Removes the temporary files of dead processes (with what lies beside them as "<...>.tmp.journal")
// that would have become `final_name`; "": any. Only files of this user that nobody has open; says
// nothing of what cannot be removed.
void remove_leftovers(const std::filesystem::path& folder, std::string_view final_name = {});

// A file that an earlier process left, kept from remove_leftovers while this lives.
class ClaimedFile {
 public:
  ClaimedFile() = default;
  // Empty when there is none. Throws Error(kData) when there is something else than a plain file of
  // one name.
  explicit ClaimedFile(std::filesystem::path path);
  ~ClaimedFile();
  ClaimedFile(ClaimedFile&& other) noexcept;
  ClaimedFile& operator=(ClaimedFile&& other) noexcept;

  explicit operator bool() const noexcept { return descriptor_ >= 0; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace spikeloom
