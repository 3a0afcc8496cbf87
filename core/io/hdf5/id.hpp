#pragma once
// HDF5 identifiers with ownership, and its errors as exceptions. Internal to core/io/hdf5 and
// sim/trace.
//
// Functions throw Error(kData) with what was done and HDF5's own innermost message. HDF5 holds one
// global lock, so calls are thread-safe but never parallel; where it was built without one (Debian's
// was not), the entries here hold one of their own.

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

namespace spikeloom::hdf5 {

// Owns one HDF5 identifier.
class Id {
 public:
  using Close = herr_t (*)(hid_t);
  Id() = default;
  // Throws Error(kData) "cannot <doing>: ..." when the identifier says that the call failed.
  Id(hid_t id, Close close, const std::string& doing);
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Id& operator=(Id&& other) noexcept;
  ~Id() { reset(); }
  // Closes it; what closing says is ignored.
  void reset() noexcept;
  hid_t get() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ >= 0; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

// Held by every public entry that uses HDF5: no plug-ins, no error printing, which is a setting of
// each thread, and nobody else inside where HDF5 has no lock.
using Entry = std::unique_lock<std::recursive_mutex>;
[[nodiscard]] Entry enter();

// Throws "cannot <doing>: " with HDF5's innermost message.
[[noreturn]] void fail(const std::string& doing);

// Throws Error(kData) when an HDF5 call returned a negative number.
void check(herr_t status, const std::string& doing);

}  // namespace spikeloom::hdf5
