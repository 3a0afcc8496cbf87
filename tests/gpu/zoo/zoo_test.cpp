// The zoo on fibers. Compiled three times: plain (the engine's own checkers), with the address and
// undefined-behaviour sanitizers, with the thread sanitizer; each has to see its bugs by itself.

#include "tests/gpu/zoo/cases.hpp"

#include "tests/catch.hpp"

namespace spikeloom::zoo {
namespace {

struct OnFibers {
  template <class K>
  Report launch(unsigned grid, unsigned block, const typename K::Params& params,
                const Options& options) {
    return simt::launch<K>(grid, block, params, options);
  }
};

#if defined(SPIKELOOM_SIMT_TSAN)
// The sanitizer sees races by itself; the engine only keeps wrong indices from crashing.
const Options kOptions{.races = false, .init = false};
#elif defined(SPIKELOOM_SIMT_ASAN)
const Options kOptions{.addresses = false, .races = false, .init = false};
#else
const Options kOptions{};
#endif

TEST_CASE("correct kernels are exact and nothing is said about them") {
  OnFibers runner;
  const int before = simt::sanitizer_reports();
  for (const Options& options : schedules(kOptions)) CHECK(Correct(runner, options).all() == "");
  CHECK(simt::sanitizer_reports() == before);
}

TEST_CASE("every bug is seen by its checker") {
  OnFibers runner;
  each_bug([&]<class K>(const Bug<K>& bug) {
    INFO(K::name);
    const int before = simt::sanitizer_reports();
#if defined(SPIKELOOM_SIMT_TSAN)
    if (!bug.thread_sanitizer) return;
    const Report report = run_bug(bug, runner, kOptions);
    CHECK(simt::sanitizer_reports() > before);
#elif defined(SPIKELOOM_SIMT_ASAN)
    if (!bug.address_sanitizer) return;
    const Report report = run_bug(bug, runner, kOptions);
    CHECK(simt::sanitizer_reports() > before);
#else
    for (const Options& options : schedules(kOptions)) {
      const Report report = run_bug(bug, runner, options);
      INFO(report.text());
      // A wrong index can end a launch before anything else is seen: in some orders only.
      const bool seen = report.has(bug.fault) ||
                        (options.order != simt::Order::kForward && report.has(Fault::kAddress));
      CHECK(seen);
      CHECK(before == 0);
    }
#endif
  });
}

}  // namespace

}  // namespace spikeloom::zoo
