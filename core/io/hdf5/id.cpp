#include "core/io/hdf5/id.hpp"

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::hdf5 {
namespace {

// The innermost message of HDF5's error stack, or "".
std::string last_message() {
  std::string text;
  const auto visit = [](unsigned, const H5E_error2_t* entry, void* out) -> herr_t {
    try {
      if (entry->desc != nullptr) *static_cast<std::string*>(out) = entry->desc;
    } catch (...) {
      return -1;
    }
    return 1;  // the first is the innermost
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, visit, &text);
  return printable(text);
}

// The lock that a library without one needs.
Entry alone() {
  static std::recursive_mutex mutex;
  static const bool has_own = [] {
    hbool_t safe = false;
    return H5is_library_threadsafe(&safe) >= 0 && safe;
  }();
  return has_own ? Entry() : Entry(mutex);
}

}  // namespace

void fail(const std::string& doing) {
  const std::string message = last_message();
  H5Eclear2(H5E_DEFAULT);
  throw Error(ErrorCode::kData, "cannot " + doing + (message.empty() ? "" : ": " + message));
}

Id::Id(hid_t id, Close close, const std::string& doing) : id_(id), close_(close) {
  if (id < 0) fail(doing);
}

Id& Id::operator=(Id&& other) noexcept {
  if (this != &other) {
    reset();
    id_ = std::exchange(other.id_, -1);
    close_ = other.close_;
  }
  return *this;
}

void Id::reset() noexcept {
  if (id_ < 0) return;
  const Entry inside = alone();
  close_(std::exchange(id_, -1));
}

Entry enter() {
  Entry entry = alone();
  H5open();
  H5PLset_loading_state(0);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  return entry;
}

void check(herr_t status, const std::string& doing) {
  if (status < 0) fail(doing);
}

}  // namespace spikeloom::hdf5
