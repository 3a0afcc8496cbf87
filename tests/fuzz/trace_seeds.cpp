// trace_seeds FOLDER: small traces for the corpus of the trace target, all steps and every second
// one, both with an event list.

#include <cstdio>

#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;
using namespace spikeloom::trace_test;

namespace {

void write_trace(const std::filesystem::path& path, int64_t every, const std::string& layer) {
  const Graph graph = make_graph(13, 1);
  const Run run = make_run(graph, {3, 4}, 0.2, 31);
  RecorderOptions options = options_for(path);
  options.every = every;
  options.layers = options.events = {layer};
  Recorder recorder(graph, options);
  feed(run, 2, recorder);
  recorder.close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  write_trace(folder / "complete", 1, "head.lif");
  write_trace(folder / "partial", 2, "stem.lif");
}
