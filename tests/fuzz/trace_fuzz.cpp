// Spike traces: everything `spikeloom inspect` does with one.

#include <sstream>

#include "sim/trace/inspect.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::InputFile file(data, size);
  return fuzz::errors_only([&] {
    const TraceFile trace(file.path());
    summarise(trace);
    verify(trace);
    for (const TracePopulation& population : trace.populations()) {
      fuzz::errors_only([&] {
        std::ostringstream csv;
        export_events(trace, population.name, csv);
      });
      fuzz::errors_only([&] { trace.read(trace.at(population.name), population.rows - 1); });
    }
  });
}
