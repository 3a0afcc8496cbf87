#include "run/machine_rates.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/json.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr double kApart = 0.15, kLeast = 0.02;  // of a rate, and of no rate at all
constexpr double kMostWaiting = 1.2;            // time on the wall, of processor time
constexpr std::chrono::minutes kProvisional{10};

double seconds_of(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

bool agree(const BreakEven& a, const BreakEven& b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) {
    return std::abs(x - y) <= std::max(kLeast, kApart * std::max(x, y));
  });
}

std::optional<BreakEven> read_rates(const fs::path& path, const json& key) try {
  const json file = load_json(path);
  BreakEven rates;
  if (file.at("machine") != key || file.at("rates").size() != rates.size()) return std::nullopt;
  if (file.at("provisional").get<bool>()) {
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(path);
    if (age > kProvisional || age < -kProvisional) return std::nullopt;
  }
  for (size_t i = 0; i < rates.size(); ++i) {
    rates[i] = file.at("rates")[i].get<double>();
    if (!(rates[i] >= 0 && rates[i] <= 1)) return std::nullopt;
  }
  return rates;
} catch (const Error&) {
  return std::nullopt;  // missing, unreadable or damaged
} catch (const json::exception&) {
  return std::nullopt;
} catch (const fs::filesystem_error&) {
  return std::nullopt;  // gone meanwhile
}

void write_rates(const fs::path& path, const json& key, const MachineRates& found) try {
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  write_text_file(
      path,
      dump_json({{"machine", key}, {"provisional", found.provisional}, {"rates", found.rates}}));
} catch (const Error&) {  // the next command measures again
}

}  // namespace

MachineRates measure_steadily(const MeasureRates& measure) {
  const double wall = seconds_of(CLOCK_MONOTONIC), busy = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  const BreakEven first = measure(), second = measure();
  const double waited = seconds_of(CLOCK_MONOTONIC) - wall,
               worked = seconds_of(CLOCK_THREAD_CPUTIME_ID) - busy;
  MachineRates found;
  if (waited <= kMostWaiting * worked && agree(first, second)) {
    for (size_t i = 0; i < first.size(); ++i) found.rates[i] = (first[i] + second[i]) / 2;
    return found;
  }
  const BreakEven third = measure();
  for (size_t i = 0; i < first.size(); ++i) {
    std::array<double, 3> all = {first[i], second[i], third[i]};
    std::sort(all.begin(), all.end());
    found.rates[i] = all[1];
  }
  found.provisional = true;
  return found;
}

BreakEven kept_rates(const fs::path& file, const json& key, const MeasureRates& measure) {
  if (const auto rates = read_rates(file, key)) return *rates;
  const MachineRates found = measure_steadily(measure);
  write_rates(file, key, found);
  return found.rates;
}

}  // namespace spikeloom
