// report.json of a stranger, next to itself.

#include "core/io/json.hpp"
#include "hw_model/report/compare.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::errors_only([&] {
    const nlohmann::json report = parse_json(fuzz::text(data, size), "a.json");
    dump_json(compare({{"a", report}, {"b", report}}).json);
  });
}
