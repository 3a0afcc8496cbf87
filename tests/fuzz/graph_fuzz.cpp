// The graph a trace carries: read, written, read again to the same text, and put on a chip.

#include "hw_model/chip/lower.hpp"
#include "sim/trace/graph_json.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ChipSpec chip = load_chip("loihi2");
  return fuzz::errors_only([&] {
    const Graph graph = graph_from_json(fuzz::text(data, size), "graph");
    const std::string text = graph_to_json(graph, nullptr);
    if (graph_to_json(graph_from_json(text, "again"), nullptr) != text) std::abort();
    const LoweredNetwork lowered = lower(graph, chip);
    refuse_host(lowered, chip);
  });
}
