// Chip descriptions: presets, evidence, and every kind of wrong value.

#include <string>
#include <vector>

#include "core/error.hpp"
#include "tests/catch.hpp"
#include "tests/chip/networks.hpp"

using namespace spikeloom;
using namespace spikeloom::test;
using Catch::Matchers::Contains;

namespace {

const std::string kSmall = R"(schema_version = 1
name = "small"
[core.unit.in]
kind = "axon_in"
[core.unit.soma]
kind = "soma"
[core.unit.out]
kind = "axon_out"
)";

std::string fault(const std::string& more, const std::string& set = "") {
  Config config = Config::parse(kSmall + more, "small.toml");
  if (!set.empty()) config.set(set);
  try {
    read_chip(config);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kUsage);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("every preset loads, and each of its constants says where it comes from", "[chip]") {
  std::string before;
  for (const ChipPreset& preset : chip_presets()) {
    INFO(preset.name);
    CHECK(before < preset.name);
    before = preset.name;
    const ChipSpec chip = load_chip(std::string(preset.name));
    CHECK(chip.name == preset.name);
    CHECK_FALSE(chip.source.empty());
    for (const ChipSpec::Evidence& evidence : chip.evidence_of) {
      INFO(evidence.key);
      CHECK_FALSE(evidence.constant.source.empty());
    }
  }
  CHECK(before == "truenorth");
}

TEST_CASE("a preset nobody knows is answered with the nearest", "[chip]") {
  CHECK_THROWS_WITH(load_chip("truenoth"), Contains("did you mean truenorth?"));
  CHECK_THROWS_WITH(load_chip("no/such/file.toml"), Contains("no/such/file.toml"));
}

TEST_CASE("constants: plain, with evidence, in cycles, and set from outside", "[chip]") {
  Config config = Config::parse(kSmall + R"([chip]
clock_hz = 2e6
[core.unit.synapse]
kind = "synapse"
energy_pj = { value = 23.6, mark = "P", scope = "per_op", source = "a paper" }
latency_cycles = 3
)",
                                "small.toml");
  config.set("noc.link_ns_per_flit=0.5");
  const ChipSpec chip = read_chip(config);
  const UnitSpec& unit =
      chip.units[*find_unit(chip, UnitKind::kSynapse, "", SynapseFormat::kDense)];
  CHECK(unit.event.energy_pj->value == 23.6);
  CHECK(unit.event.energy_pj->mark == 'P');
  CHECK(unit.event.energy_pj->source == "a paper");
  CHECK(unit.event.latency_ns->value == Approx(1500));
  CHECK(chip.noc.link_ns_per_flit->value == 0.5);
  CHECK(chip.noc.link_ns_per_flit->mark == 'E');
  CHECK_FALSE(chip.noc.hop_x.energy_pj);
}

TEST_CASE("wrong values name file, line, key and what is allowed", "[chip]") {
  CHECK(fault("") == "accepted");
  CHECK(fault("[chip]\nrows = 0\n") ==
        "small.toml:10:8: key 'chip.rows': expected an integer from 1 to 4096, found integer 0");
  CHECK_THAT(fault("[chip]\nrows = { value = 2.5 }\n"), Contains("key 'chip.rows.value'"));
  CHECK_THAT(fault("[chip]\nrows = { mark = \"S\" }\n"), Contains("'chip.rows.value': missing"));
  CHECK_THAT(fault("[chip]\nrows = { value = 2, mark = \"X\" }\n"), Contains("'chip.rows.mark'"));
  CHECK_THAT(fault("[chip]\nrows = { value = 2, unit = \"m\" }\n"), Contains("unknown"));
  CHECK_THAT(fault("[chip]\nrwos = 3\n"), Contains("did you mean chip.rows?"));
  CHECK_THAT(fault("[chip]\nrows = 4096\ncols = 4096\n"), Contains("more than 4194304 cores"));
  CHECK_THAT(fault("[chip]\nidle_w_per_mhz = 1\n"), Contains("needs chip.clock_hz"));
  CHECK_THAT(fault("[chip]\nusable_cores = 2\n"), Contains("from 1 to 1"));
  CHECK_THAT(fault("[noc]\ntopology = \"ring\"\n"), Contains("\"mesh\" or \"torus\""));
  CHECK_THAT(fault("[noc]\ntopology = \"torus\"\nbuffer_flits = 1\n"), Contains("from 2 to"));
  CHECK_THAT(fault("[noc]\nhop_x_energy_pj = -1\n"), Contains("from 0"));
  CHECK_THAT(fault("[noc]\nhop_x_energy_pj = nan\n"), Contains("finite"));
  CHECK_THAT(fault("[sync]\nmode = \"fixed_tick\"\n"), Contains("needs sync.tick_ns"));
  CHECK_THAT(fault("[sync]\nbarrier_ns = [1, 2]\nbarrier_from = [1]\n"),
             Contains("one number per"));
  CHECK_THAT(fault("[sync]\nbarrier_ns = [1, 2]\nbarrier_from = [2, 1]\n"), Contains("ascend"));
  CHECK_THAT(fault("[sync]\nbarrier_ns = [-1]\n"), Contains("times from 0"));
  CHECK_THAT(fault("[core.unit.x]\nkind = \"dendrite\"\n"), Contains("'core.unit.x.kind'"));
  CHECK_THAT(fault("[core.unit.x]\nkind = \"synapse\"\nformat = \"round\"\n"),
             Contains("\"round\""));
  CHECK_THAT(fault("[core.unit.x]\nkind = \"synapse\"\nlatency_cycles = 2\n"),
             Contains("needs chip.clock_hz"));
  CHECK_THAT(fault("[core.memory.a]\nholds = \"state\"\n[core.memory.b]\nholds = \"state\"\n"),
             Contains("two memories hold the state"));
  CHECK_THAT(fault("", "core.unit.in=3"), Contains("expected a table"));
  Config config = Config::parse("schema_version = 1\nname = \"bare\"\n", "bare.toml");
  CHECK_THROWS_WITH(read_chip(config), Contains("no unit of kind \"axon_in\""));
}

TEST_CASE("the weakest mark and what has no price are named", "[chip]") {
  const ChipCase run = pair_case(1, 2);
  const ChipSpec chip = load_chip("loihi1");
  const ReplayResult result = replay(run.network, chip, run.mapping, run.spikes);
  CHECK(weakest_evidence(chip, result) == 'D');
  CHECK(unpriced_operations(result) ==
        std::vector<std::string>{"axon_in.axons", "axon_out.messages"});
  const ChipSpec estimate = load_chip("loihi2");
  CHECK(weakest_evidence(estimate, replay(run.network, estimate, run.mapping, run.spikes)) == 'E');
}
