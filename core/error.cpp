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

}  // namespace spikeloom
