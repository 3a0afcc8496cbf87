#pragma once
// Where a network runs: the fast kernels, the specification, or a CUDA device.

#include <optional>
#include <string>
#include <string_view>

namespace spikeloom {

struct Device {
  enum class Kind { kCpu, kReference, kCuda } kind = Kind::kCpu;
  int number = 0;  // of a CUDA device
  bool operator==(const Device&) const = default;
};
inline constexpr Device kCpuDevice, kReferenceDevice{Device::Kind::kReference};

// "cpu", "reference", "cuda:0".
std::string name_of(const Device& device);

// The device of that name ("cuda" is "cuda:0"), the one chosen for "auto": the first CUDA device
// where there is one that works, else the cpu. Nothing when no device can have the name; whether one
// that was asked for is there shows when its backend is made.
struct DeviceChoice {
  Device device;
  std::string reason;  // of "auto": "there is no NVIDIA driver"; "" where it was asked for
};
std::optional<DeviceChoice> choose_device(std::string_view name);
// What is expected, for an error about another name.
std::string device_fault(std::string_view name);

// The devices and what they compute with, a line each; why there is no CUDA device.
std::string device_lines();

}  // namespace spikeloom
