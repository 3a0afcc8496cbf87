#include "run/device.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/cuda/cuda.hpp"

namespace spikeloom {

std::string name_of(const Device& device) {
  if (device.kind == Device::Kind::kCuda) return fmt::format("cuda:{}", device.number);
  return device.kind == Device::Kind::kReference ? "reference" : "cpu";
}

namespace {

// Of "cuda" and "cuda:N".
std::optional<int> cuda_number(std::string_view name) {
  if (name == "cuda") return 0;
  constexpr std::string_view kPrefix = "cuda:";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size());
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool plain = digits.size() == 1 || !digits.starts_with('0');
  if (error != std::errc() || end != digits.data() + digits.size() || number < 0 || !plain)
    return std::nullopt;
  return number;
}

DeviceChoice best_device() {
  const cuda::Devices devices = cuda::find_devices();
  if (devices.found.empty()) return {kCpuDevice, devices.reason};
  try {
    const cuda::DeviceInfo& first = devices.found[0];
    cuda::open_device(first.number);
    return {{Device::Kind::kCuda, first.number}, "there is " + first.name};
  } catch (const Error& error) {
    return {kCpuDevice, error.what()};
  }
}

}  // namespace

std::optional<DeviceChoice> choose_device(std::string_view name) {
  if (name == "auto") return best_device();
  if (name == "cpu") return DeviceChoice{kCpuDevice, ""};
  if (name == "reference") return DeviceChoice{kReferenceDevice, ""};
  if (const auto number = cuda_number(name))
    return DeviceChoice{{Device::Kind::kCuda, *number}, ""};
  return std::nullopt;
}

std::string device_fault(std::string_view name) {
  return "expected auto, cpu, reference or cuda:N, found " + in_quotes(std::string(name));
}

std::string device_lines() {
  std::string text = fmt::format("cpu        SIMD {}\n", fmt::join(cpu_simd_targets(), ", ")) +
                     "reference  the scalar specification, slow\n";
  const cuda::Devices devices = cuda::find_devices();
  for (const cuda::DeviceInfo& info : devices.found) {
    text += fmt::format("{:<10} {}, {}, {} MiB, CUDA {}\n", fmt::format("cuda:{}", info.number),
                        info.name, info.architecture(), info.memory >> 20, cuda::toolkit_version());
  }
  if (devices.found.empty()) text += fmt::format("cuda       none: {}\n", devices.reason);
  return text;
}

}  // namespace spikeloom
