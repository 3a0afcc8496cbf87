// report.json or chip.json of a stranger, next to itself.

#include "core/io/json.hpp"
#include "hw_model/report/chip_compare.hpp"
#include "hw_model/report/page_chips.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::errors_only([&] {
    const nlohmann::json report = parse_json(fuzz::text(data, size), "a.json");
    const std::vector<NamedReport> pair = {{"a", report}, {"b", report}};
    const bool chip = is_chip_report(report);
    const ComparisonResult result = chip ? compare_chips(pair) : compare(pair);
    dump_json(result.json);
    if (chip) chip_compare_page(pair, result);
  });
}
