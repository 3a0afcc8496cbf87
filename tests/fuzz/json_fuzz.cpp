// JSON texts: as values, as a configuration with places, and through writing and reading again.

#include <nlohmann/json.hpp>

#include "core/io/config.hpp"
#include "core/io/json.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  fuzz::errors_only([&] {
    Config config = Config::parse(text, "a.json");
    for (const std::string& key : config.keys("model")) config.has("model." + key);
    config.reject_unknown();
  });
  return fuzz::errors_only([&] {
    JsonPositions positions;
    const nlohmann::json value = parse_json(text, "a.json", &positions);
    if (parse_json(dump_json(value), "again") != value) std::abort();
  });
}
