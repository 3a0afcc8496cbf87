// Experiment files: TOML to checked values, and the network they describe.

#include <algorithm>

#include "run/experiment.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::errors_only([&] {
    Config config = Config::parse(fuzz::text(data, size), "a.toml");
    ModelChoice model = read_experiment(std::move(config)).model;
    constexpr int64_t kMost = 16;  // more is legal, but slow to build
    for (const ModelKey& key : model.family->keys(model.spec)) {
      const bool blocks = key.name == "depths" || key.name == "layer" || key.name == "layers";
      if (!blocks) continue;
      if (const auto* field = std::get_if<IntegerField>(&key.field))
        *field->value = std::min(*field->value, kMost);
      if (const auto* field = std::get_if<IntegersField>(&key.field)) {
        for (int64_t& depth : field->value) depth = std::min(depth, kMost);
      }
    }
    const int64_t extent = model.family->sample == SampleKind::kImage ? 32 : 0;
    const ModelShape shape = model.shape();
    model.build({shape.steps, extent, extent, shape.channels});
  });
}
