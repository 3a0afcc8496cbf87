#pragma once
// Any HDF5 file, untrusted, as objects and arrays: HDF5 reads it in a process of its own.
//
// HDF5 1.10 trusts what it decodes, so it decodes what nobody has checked only in a child process
// that is confined before it sees a byte of the file: a filter of system calls (no file or socket
// can be opened, no process started, no code mapped), 512 MiB of memory, 5 s of processor time for
// each request. The child gets the open file and one socket. What it answers is taken for hostile:
// every number is checked before memory is allocated by it. If it crashes, hangs or runs into a
// limit, that is an ordinary Error(kData).
//
// Refused by name: links to other files or of a program's own, data in other files, virtual
// datasets, filters other than deflate, shuffle and Fletcher's checksum, more than protocol.hpp
// allows, sizes that the stored bytes cannot hold. Plug-ins are never loaded.
//
// Errors: Error(kData) that names the object where there is one, the caller adds the file;
// Error(kRuntime) when no process can be started. One thread at a time; several files at once are
// fine.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/hdf5/objects.hpp"

namespace spikeloom::hdf5 {

// The child is the own program started again, so that it shares neither memory nor threads with it.
// First thing in main(): in that child it serves until its parent ends and returns the exit code of
// the process; elsewhere it notes that this program can be such a child and returns nothing.
std::optional<int> serve_foreign_files(int argc, char** argv);

// For programs that are no such child themselves (a Python interpreter): one that is.
void use_foreign_reader(const std::filesystem::path& program);

// Whether there is a program to start; a ForeignFile throws Error(kRuntime) where there is none.
bool can_read_foreign_files();

class ForeignFile {
 public:
  explicit ForeignFile(const std::filesystem::path& path);
  ~ForeignFile();
  ForeignFile(const ForeignFile&) = delete;
  ForeignFile& operator=(const ForeignFile&) = delete;

  // In order of their paths, each once, the root first.
  const std::vector<Object>& objects() const noexcept;
  // nullptr when there is none.
  const Object* find(std::string_view path) const noexcept;

  // To be called before there is memory for what is made of a dataset: `bytes` for each of its
  // elements. Throws Error(kData) where all that was claimed of the file takes more than 128 times
  // its size and more than 64 MiB: chunks may shrink a thousandfold, or have never been written.
  void claim(const Object& dataset, int64_t bytes) const;
  // Claims and reads all numbers of a dataset.
  template <typename T>
  std::vector<T> read_all(const Object& dataset) const;

  // `count` values from `start` on along each axis of a dataset of numbers, in C order; `out` has
  // their size. Any integer is read as any integer and any real as any real, as HDF5 converts them:
  // what does not fit becomes the nearest value that does. T: an integer of 1 to 8 bytes, float,
  // double.
  template <typename T>
  void read(const Object& dataset, const Shape& start, const Shape& count, std::span<T> out) const;
  // The numbers of one list of a vector of lists of variable length (object.item), as read() does.
  // T: int64_t, double. At most 100 MB.
  template <typename T>
  std::vector<T> read_list(const Object& dataset, int64_t index) const;
  // All texts of a dataset of texts, at most 100 MB. Claims them.
  std::vector<std::string> read_texts(const Object& dataset) const;

 private:
  void claim_bytes(const Object& dataset, uint64_t bytes) const;
  void read_part(const Object& dataset, ValueType wanted, const Shape& start, const Shape& count,
                 std::span<std::byte> out) const;
  struct Child;
  std::unique_ptr<Child> child_;
  std::vector<Object> objects_;
  uint64_t most_ = 0;             // bytes that may be claimed
  mutable uint64_t claimed_ = 0;  // at most that
};

}  // namespace spikeloom::hdf5
