#pragma once
// What traces need of the HDF5 C API. Internal to sim/trace; nothing else includes HDF5
// from here.
//
// Functions throw Error(kData) with what was done and HDF5's own innermost message; callers that
// write turn that into Error(kRuntime) and name the file. HDF5 holds one global lock, so calls are
// thread-safe but never parallel.

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "core/error.hpp"
#include "core/io/hdf5/id.hpp"
#include "core/io/temporary.hpp"

namespace spikeloom::hdf5 {

// errno of the first write that failed, or 0. HDF5 1.10 crashes when a file cannot be flushed at
// close, so the driver below reports every write as done, keeps what no longer reaches the disk in
// memory until the file is closed, and leaves the fault here. Whoever writes looks at it after
// every call and stops.
struct WriteFault {
  int error = 0;
};

// Runs what writes into the file `named`. What fails, there or at the disk, is returned as the
// Error(kRuntime) to throw; an internal error passes through.
template <typename F>
std::optional<Error> failure_of(const std::filesystem::path& named, const WriteFault& fault,
                                F&& write) {
  std::string reason;
  try {
    const Entry inside = enter();
    write();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) throw;
    reason = error.what();
  }
  if (fault.error != 0) reason = "cannot write: " + std::generic_category().message(fault.error);
  if (reason.empty()) return std::nullopt;
  return Error(ErrorCode::kRuntime, named.string() + ": " + reason);
}

// A new file in the place of an empty one, metadata readable by HDF5 1.8. `fault` must outlive it.
// Killed at any moment, the file is as of the last H5Fflush.
Id create_file(const TemporaryFile& empty, WriteFault* fault);
// Read-only; takes the journal of a killed run into account.
Id open_file(const std::string& path);

// The driver of both; `fault` must outlive the file. `descriptor`: of the file that H5Fcreate is to
// fill, -1 where one is read. Internal to hdf5.cpp and its tests.
Id driver_access(WriteFault* fault, int descriptor = -1);

// A sound structure, for all we know, that the guard does not understand: what else may read it?
class UnknownStructure : public Error {
 public:
  explicit UnknownStructure(const std::string& what) : Error(ErrorCode::kData, what) {}
  UnknownStructure within(std::string_view context) const {
    return UnknownStructure(in(context).what());
  }
};

// Refuses what a trace file never has and what could hurt, before HDF5 sees the file: anything that
// hdf5_raw.hpp does not know, links out of the file, soft links, external or virtual storage, other
// filters than deflate and shuffle, chunks or extents that the stored bytes cannot hold,
// groups deeper than 32, more than 10^6 objects. Throws Error(kData) naming the
// object, UnknownStructure where nothing speaks against the file but that it is not understood.
void refuse_hostile(const std::filesystem::path& path);

// Writing. Groups and datasets carry no time stamps, so that equal runs give equal bytes.
Id create_group(hid_t where, const std::string& name);
void write_text(hid_t where, const std::string& attribute, const std::string& text);
void write_number(hid_t where, const std::string& attribute, hid_t file_type, double value);
void write_integers(hid_t where, const std::string& attribute, hid_t file_type,
                    std::span<const int64_t> values, bool scalar);
// A scalar dataset of fixed length, UTF-8.
void write_text_dataset(hid_t where, const std::string& name, const std::string& text);
// A dataset [values] of texts as long as the longest.
Id write_texts(hid_t where, const std::string& name, const std::vector<std::string>& values);

// Reading; nullopt when there is no such attribute. Texts: of fixed length, at most 64 KiB;
// arrays at most 64 values.
std::optional<std::string> read_text(hid_t where, const std::string& attribute);
std::optional<double> read_number(hid_t where, const std::string& attribute);
std::optional<std::vector<int64_t>> read_integers(hid_t where, const std::string& attribute);
std::string read_text_dataset(hid_t where, const std::string& name);

bool has_link(hid_t where, const std::string& name);

struct Link {
  std::string name;
  H5L_type_t type;
};
// In order of names.
std::vector<Link> links_of(hid_t group);

}  // namespace spikeloom::hdf5
