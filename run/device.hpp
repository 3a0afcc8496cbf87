#pragma once
// Where a network runs: the fast kernels, or the specification.

namespace spikeloom {

enum class Device { kCpu, kReference };
inline constexpr const char* kDeviceNames[] = {"cpu", "reference"};
constexpr const char* name_of(Device device) noexcept {
  return kDeviceNames[static_cast<int>(device)];
}

}  // namespace spikeloom
