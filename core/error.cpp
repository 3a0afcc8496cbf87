#include "core/error.hpp"

namespace spikeloom {

int exit_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kRuntime: return 1;
    case ErrorCode::kUsage: return 2;
    case ErrorCode::kData: return 3;
    case ErrorCode::kCapacity: return 4;
    case ErrorCode::kInternal: return 70;
    case ErrorCode::kInterrupted: return 130;
  }
  return 70;
}

const ErrorPlace& Error::place() const noexcept {
  static const ErrorPlace kUnknown;
  return place_ != nullptr ? *place_ : kUnknown;
}

Error Error::in(std::string_view context) const {
  Error error(code_, std::string(context) + ": " + what());
  error.place_ = place_;
  return error;
}

Error Error::in_file(const std::filesystem::path& path) const {
  ErrorPlace place = this->place();
  const std::string name = path.string() + ": ";
  if (place.file.empty()) place.file = path.string();
  // What opened the file may have named it already.
  const bool named = std::string_view(what()).starts_with(name);
  return {code_, (named ? "" : name) + what(), std::move(place)};
}

Error Error::in_node(std::string_view name) const {
  ErrorPlace place = this->place();
  if (place.node.empty()) place.node = name;
  return {code_, std::string(name) + ": " + what(), std::move(place)};
}

}  // namespace spikeloom
