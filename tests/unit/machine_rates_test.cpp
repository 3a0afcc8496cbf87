// run: break-even rates that were measured on a busy machine do not stay.

#include "run/machine_rates.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "core/io/file.hpp"
#include "core/io/json.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;
namespace fs = std::filesystem;

namespace {

BreakEven all(double rate) {
  BreakEven rates;
  rates.fill(rate);
  return rates;
}

// Gives these one after the other, each with some work for the processor.
struct Scripted {
  std::vector<double> rates;
  size_t calls = 0;
  bool waits = false;

  BreakEven operator()() {
    const auto start = std::chrono::steady_clock::now();
    using namespace std::chrono_literals;
    if (waits) std::this_thread::sleep_for(20ms);
    volatile double sink = 0;
    while (!waits && std::chrono::steady_clock::now() - start < 1ms) sink = sink + 1;
    return all(rates.at(calls++));
  }
};

}  // namespace

TEST_CASE("two measurements that differ, or had to wait, are provisional") {
  Scripted apart{{0.5, 0.3, 0.4}};
  const MachineRates middle = measure_steadily(std::ref(apart));
  CHECK(middle.provisional);
  CHECK(middle.rates == all(0.4));
  CHECK(apart.calls == 3);

  Scripted waiting{{0.4, 0.4, 0.4}, 0, true};
  CHECK(measure_steadily(std::ref(waiting)).provisional);

  // On a machine that others use even the steady one may have to wait: some round will not.
  bool steady = false;
  for (int round = 0; round < 200 && !steady; ++round) {
    Scripted equal{{0.40, 0.42, 0.41}};
    const MachineRates found = measure_steadily(std::ref(equal));
    steady = !found.provisional;
    if (steady) CHECK(found.rates == all((0.40 + 0.42) / 2));
    if (steady) CHECK(equal.calls == 2);
  }
  CHECK(steady);
}

TEST_CASE("provisional rates are measured again after ten minutes, steady ones never") {
  const fs::path folder = fs::temp_directory_path() / "spikeloom_machine_rates_test";
  fs::remove_all(folder);
  const fs::path file = folder / "rates.json";
  const nlohmann::json key = {{"processor", "this one"}};
  Scripted unsteady{{0.1, 0.9, 0.5, 0.2, 0.8, 0.6}};
  CHECK(kept_rates(file, key, std::ref(unsteady)) == all(0.5));
  CHECK(load_json(file).at("provisional") == true);
  CHECK(kept_rates(file, key, std::ref(unsteady)) == all(0.5));
  CHECK(unsteady.calls == 3);
  fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::minutes(11));
  CHECK(kept_rates(file, key, std::ref(unsteady)) == all(0.6));
  CHECK(unsteady.calls == 6);

  nlohmann::json steady = load_json(file);
  steady["provisional"] = false;
  write_text_file(file, dump_json(steady));
  fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(1000));
  CHECK(kept_rates(file, key, std::ref(unsteady)) == all(0.6));
  CHECK(unsteady.calls == 6);
  // Files from before there was the word, and other machines'.
  steady.erase("provisional");
  write_text_file(file, dump_json(steady));
  Scripted again{{0.7, 0.1, 0.3, 0.2, 0.2, 0.2}};
  CHECK(kept_rates(file, key, std::ref(again)) == all(0.3));
  CHECK(kept_rates(file, {{"processor", "another"}}, std::ref(again)) == all(0.2));
  fs::remove_all(folder);
}
