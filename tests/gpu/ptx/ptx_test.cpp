// The zoo as the PTX that nvcc makes of it: same results, and every bug seen without a sanitizer.
// Paths of the PTX files are in SPIKELOOM_ZOO_PTX, one per architecture, separated by spaces.

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/catch.hpp"
#include "tests/gpu/ptx/interpreter.hpp"
#include "tests/gpu/zoo/cases.hpp"

namespace spikeloom::ptx {
namespace {

using simt::Fault;
using simt::Options;
using simt::Report;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> texts() {
  std::vector<std::string> all;
  std::istringstream paths(SPIKELOOM_ZOO_PTX);
  for (std::string path; paths >> path;) all.push_back(read_file(path));
  return all;
}

struct OnPtx {
  const Module& module;
  Interpreter interpreter{simt::host_memory()};

  template <class K>
  Report launch(unsigned grid, unsigned block, const typename K::Params& params,
                const Options& options) {
    const Kernel* const kernel = module.find(std::string(K::name) + "_entry");
    REQUIRE(kernel != nullptr);
    const void* const pointers[] = {&params};
    return interpreter.launch(module, *kernel, grid, block, pointers, 0, options);
  }
};

TEST_CASE("correct kernels are exact as PTX too") {
  for (const std::string& text : texts()) {
    const Module module = parse(text);
    INFO(module.target);
    CHECK(module.version ==
          "9.0");  // other toolkits emit other text: look at it before trusting it
    OnPtx runner{module};
    for (Options options : zoo::schedules({})) {
      CHECK(zoo::Correct(runner, options).all() == "");
      options.races = options.init = false;
      CHECK(zoo::Correct(runner, options).all() == "");
    }
  }
}

TEST_CASE("every bug is seen in its PTX") {
  for (const std::string& text : texts()) {
    const Module module = parse(text);
    OnPtx runner{module};
    zoo::each_bug([&]<class K>(const zoo::Bug<K>& bug) {
      for (const Options& options : zoo::schedules({})) {
        const Report report = zoo::run_bug(bug, runner, options);
        INFO(module.target << " " << K::name << " " << static_cast<int>(options.order) << "\n"
                           << report.text());
        // A wrong index can end a launch before anything else is seen.
        const bool seen = report.has(bug.fault) ||
                          (options.order != simt::Order::kForward && report.has(Fault::kAddress));
        CHECK(seen);
      }
    });
  }
}

}  // namespace
}  // namespace spikeloom::ptx
