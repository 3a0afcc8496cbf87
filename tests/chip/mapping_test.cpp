// Mappings: refusals, files, cutting and placing.

#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "hw_model/chip/mapper.hpp"
#include "hw_model/chip/mapping_file.hpp"
#include "tests/catch.hpp"
#include "tests/chip/networks.hpp"

using namespace spikeloom;
using namespace spikeloom::test;
using Catch::Matchers::Contains;

namespace {

// 6 x 6 x 4 -> 3x3 -> 6 x 6 x 8 -> dense -> 10
ChipNetwork small_network() {
  ChipNetwork network;
  network.populations = {flat("input", 4), flat("conv", 8), flat("head", 10)};
  for (size_t p : {0, 1}) network.populations[p].height = network.populations[p].width = 6;
  network.projections = {{"w1", 0, 1, ConvSynapses{3, 3, 1, 1, 1, 1, 1}, "", 8},
                         {"w2", 1, 2, DenseSynapses{}, "", 8}};
  return network;
}

Mapping one_core_each(const ChipNetwork& network) {
  Mapping mapping;
  for (int p = 0; p < static_cast<int>(network.populations.size()); ++p) {
    mapping.boxes.push_back(whole(network, p, p));
  }
  return mapping;
}

std::string refusal(const std::vector<std::string>& sets) {
  const ChipNetwork network = small_network();
  try {
    check_capacity(network, grid_chip(2, 2, sets), one_core_each(network));
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kCapacity);
    return error.what();
  }
  return "fits";
}

std::string parse_fault(const std::string& populations) {
  try {
    parse_mapping(
        "{\"schema_version\": 1, \"chip\": \"grid\",\n \"populations\": " + populations + "}",
        "m.json", small_network(), grid_chip(2, 2));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("what a core needs", "[chip]") {
  const ChipNetwork network = small_network();
  const auto needs = needs_of(network, grid_chip(2, 2), one_core_each(network));
  CHECK(needs[0].neurons == 144);
  CHECK(needs[0].state_bytes == 576);
  CHECK(needs[0].weight_bytes == 0);
  CHECK(needs[0].axons_out == 144);
  CHECK(needs[1].neurons == 288);
  CHECK(needs[1].weight_bytes == 4 * 9 * 8);
  CHECK(needs[1].axons_in == 144);
  CHECK(needs[2].weight_bytes == 2880);
  CHECK(needs[2].axons_in == 288);
  // A crossbar stores every synapse: 3x3 inside, less at the rim.
  const auto crossbar = needs_of(network, grid_chip(2, 2, {"core.limits.shared_kernels=false"}),
                                 one_core_each(network));
  CHECK(crossbar[1].weight_bytes == 16 * 16 * 4 * 8);
}

TEST_CASE("a refusal lists layer, core, memory, need and limit", "[chip]") {
  CHECK(refusal({}) == "fits");
  CHECK_THAT(refusal({"core.limits.neurons=100"}),
             Contains("does not fit chip grid: input, core 0 (chip 0, tile 0, slot 0): neurons: "
                      "needs 144, limit 100; conv, core 1"));
  CHECK_THAT(
      refusal({"core.limits.weight_bytes=2879"}),
      Contains("head, core 2 (chip 0, tile 2, slot 0): weight_bytes: needs 2880, limit 2879"));
  CHECK(refusal({"core.limits.weight_bytes=2880"}) == "fits");
  CHECK_THAT(refusal({"core.limits.state_bytes=600"}), Contains("state_bytes: needs 1152"));
  CHECK_THAT(refusal({"core.limits.memory_bytes=2900"}),
             Contains("head, core 2 (chip 0, tile 2, slot 0): memory_bytes: needs 2920"));
  CHECK_THAT(refusal({"core.limits.axons_in=200"}), Contains("axons_in: needs 288, limit 200"));
  CHECK_THAT(refusal({"core.limits.axons_out=200"}), Contains("axons_out: needs 288, limit 200"));
  CHECK_THAT(refusal({"core.limits.fan_in=36"}), Contains("head: fan_in: needs 288, limit 36"));
  CHECK_THAT(refusal({"core.limits.weight_bits=4"}),
             Contains("conv, projection w1: weight_bits: needs 8, limit 4"));
}

TEST_CASE("mappings that do not hold each neuron once are refused", "[chip]") {
  const ChipNetwork network = small_network();
  const ChipSpec chip = grid_chip(2, 2);
  const auto fault = [&](Mapping mapping) -> std::string {
    try {
      cores_of_neurons(network, chip, mapping);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  Mapping mapping = one_core_each(network);
  CHECK(fault(mapping) == "accepted");
  mapping.boxes[1].y.end = 5;
  CHECK(fault(mapping) == "mapping of conv: 48 neurons are on no core");
  mapping.boxes.push_back(mapping.boxes[1]);
  CHECK_THAT(fault(mapping), Contains("(channel 0, y 0, x 0) is held twice"));
  mapping = one_core_each(network);
  mapping.boxes[2].core = 4;
  CHECK_THAT(fault(mapping), Contains("core 4 is not among the 4 cores"));
  mapping.boxes[2].core = 2;
  mapping.boxes[2].channels.end = 11;
  CHECK_THAT(fault(mapping), Contains("reaches outside"));
  mapping = one_core_each(network);
  mapping.boxes.pop_back();
  mapping.cores = {{}, {}, {0, 1}};
  CHECK_THAT(fault(mapping), Contains("2 core numbers for 10 neurons"));
  CHECK_THROWS_WITH(load_chip("spinnaker2").cores() > 0 &&
                        cores_of_neurons(network, load_chip("spinnaker2"),
                                         {{{0, {0, 6}, {0, 6}, {0, 4}, 150}}, {}})
                            .empty(),
                    Contains("148 usable cores"));
}

TEST_CASE("units a chip does not have are named", "[chip]") {
  ChipNetwork network;
  network.populations = {flat("q", 4), flat("out", 4)};
  network.projections = {{"queries", 0, 1, AttentionSynapses{AttentionRole::kQuery, 2, -1}, "", 8}};
  Mapping mapping;
  mapping.boxes = {whole(network, 0, 0), whole(network, 1, 1)};
  CHECK_THROWS_WITH(replay(network, load_chip("truenorth"), mapping, silent(network, 1)),
                    Contains("projection queries needs a unit of kind outer_product") &&
                        Contains("chip truenorth"));
}

TEST_CASE("an attention's matrix may not be split over tokens", "[chip]") {
  ChipNetwork network;
  network.populations = {flat("q", 4), flat("out", 4)};
  for (auto& population : network.populations) population.width = 3;
  network.projections = {{"queries", 0, 1, AttentionSynapses{AttentionRole::kQuery, 2, -1}, "", 8}};
  Mapping mapping;
  mapping.boxes = {
      whole(network, 0, 0), {1, {0, 1}, {0, 2}, {0, 4}, 1}, {1, {0, 1}, {2, 3}, {0, 4}, 2}};
  CHECK_THROWS_WITH(replay(network, grid_chip(3, 1), mapping, silent(network, 1)),
                    Contains("may not be split over tokens"));
}

TEST_CASE("mapping files: what is written is read", "[chip]") {
  const ChipNetwork network = small_network();
  const ChipSpec chip = grid_chip(2, 1, {"chip.chips_x=2"});
  Mapping mapping;
  mapping.boxes = {
      whole(network, 0, 3), {1, {0, 2}, {0, 6}, {0, 8}, 0}, {1, {2, 6}, {0, 6}, {0, 8}, 1}};
  mapping.cores = {{}, {}, {0, 1, 2, 3, 0, 1, 2, 3, 0, 1}};
  const std::string text = mapping_json(mapping, network, chip);
  const Mapping again = parse_mapping(text, "m.json", network, chip);
  CHECK(cores_of_neurons(network, chip, again) == cores_of_neurons(network, chip, mapping));
  CHECK(mapping_json(again, network, chip) == text);
}

TEST_CASE("mapping files: neuron ranges and .npy", "[chip]") {
  const auto folder = std::filesystem::temp_directory_path() / "spikeloom_chip_mapping";
  std::filesystem::create_directories(folder);
  const auto npy = [&](const std::string& descr, const std::string& data) {
    std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (10,), }";
    header.resize(117, ' ');
    std::ofstream file(folder / "head.npy", std::ios::binary);
    file << std::string("\x93NUMPY\x01\x00\x76\x00", 10) << header << "\n" << data;
  };
  {
    std::ofstream file(folder / "m.json");
    file << R"({"schema_version": 1, "chip": "grid", "populations": {
      "input": [{}], "conv": [{"neurons": [0, 100]}, {"neurons": [100, 288], "tile": 1}],
      "head": "head.npy"}})";
  }
  std::string cores;
  for (char n = 0; n < 10; ++n) cores += std::string{static_cast<char>(n % 4), 0, 0, 0};
  npy("<i4", cores);
  const Mapping mapping = load_mapping(folder / "m.json", small_network(), grid_chip(2, 2));
  CHECK(mapping.cores[1][99] == 0);
  CHECK(mapping.cores[1][100] == 1);
  CHECK(mapping.cores[2] == std::vector<int32_t>{0, 1, 2, 3, 0, 1, 2, 3, 0, 1});
  cores[0] = 4;
  npy("<i4", cores);
  CHECK_THROWS_WITH(load_mapping(folder / "m.json", small_network(), grid_chip(2, 2)),
                    Contains("core 4 of neuron 0"));
  npy("<f4", cores);
  CHECK_THROWS_WITH(load_mapping(folder / "m.json", small_network(), grid_chip(2, 2)),
                    Contains("integers"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("mapping files: faults name line, column and place", "[chip]") {
  const std::string rest = R"("conv": [{"tile": 1}], "head": [{"tile": 2}]})";
  CHECK(parse_fault(R"({"input": [{}], )" + rest) == "accepted");
  CHECK(parse_fault(R"({"input": [{"tile": 9}], )" + rest) ==
        "m.json:2:37: /populations/input/0/tile: expected an integer from 0 to 3");
  CHECK_THAT(parse_fault(R"({"inputs": [{}], )" + rest), Contains("did you mean input?"));
  CHECK_THAT(parse_fault("{" + rest), Contains("population \"input\" is missing"));
  CHECK_THAT(parse_fault(R"({"input": [{"chanels": [0, 1]}], )" + rest),
             Contains("did you mean channels?"));
  CHECK_THAT(parse_fault(R"({"input": [{"y": [3, 3]}], )" + rest), Contains("an empty range"));
  CHECK_THAT(parse_fault(R"({"input": [{"y": [0, 7]}], )" + rest), Contains("from 0 to 6"));
  CHECK_THAT(parse_fault(R"({"input": [{"y": [0, 3]}], )" + rest), Contains("on no core"));
  CHECK_THAT(parse_fault(R"({"input": [{}, {}], )" + rest), Contains("held twice"));
  CHECK_THAT(parse_fault(R"({"input": [{"neurons": [0, 9]}], )" + rest),
             Contains("neuron 9 is on no core"));
  CHECK_THAT(parse_fault(R"({"input": [{"neurons": [0, 144]}, {}], )" + rest),
             Contains("neuron 0 is held twice"));
  CHECK_THAT(parse_fault(R"({"input": [0, 1], )" + rest), Contains("2 core numbers for 144"));
  CHECK_THAT(parse_fault(R"({"input": 3, )" + rest), Contains("expected entries"));
  CHECK_THAT(parse_fault(R"({"input": [3, "x"], )" + rest), Contains("core numbers"));
  CHECK_THAT(parse_fault("[]"), Contains("expected an object"));
  CHECK_THAT(parse_fault("{"), Contains("m.json:2:"));
}

TEST_CASE("the sequential mapper fits the limits and refuses what cannot", "[chip]") {
  const ChipNetwork network = small_network();
  for (const char* limit : {"core.limits.neurons=50", "core.limits.neurons=1",
                            "core.limits.weight_bytes=576", "core.limits.axons_in=288",
                            "core.limits.state_bytes=100", "core.limits.memory_bytes=900"}) {
    INFO(limit);
    const ChipSpec chip = grid_chip(32, 32, {limit});
    const Mapping mapping = map_sequential(network, chip);
    CHECK_NOTHROW(check_capacity(network, chip, mapping));
  }
  CHECK(map_sequential(network, grid_chip(3, 1)).boxes.size() == 3);
  // Too few cores for one box each: neighbours share.
  const Mapping shared = map_sequential(network, grid_chip(1, 1));
  for (const Box& box : shared.boxes) CHECK(box.core == 0);
  CHECK_THROWS_WITH(map_sequential(network, grid_chip(2, 1, {"core.limits.neurons=100"})),
                    Contains("needs") && Contains("cores, limit 2"));
  CHECK_THROWS_WITH(map_sequential(network, grid_chip(9, 9, {"core.limits.weight_bytes=287"})),
                    Contains("layer head does not fit chip grid: 1 neurons on one core: "
                             "weight_bytes: needs 288, limit 287"));
  // Only usable cores are used, chip by chip.
  const Mapping chips =
      map_sequential(network, grid_chip(3, 1, {"chip.usable_cores=2", "chip.chips_x=2"}));
  CHECK(chips.boxes[1].core == 1);
  CHECK(chips.boxes[2].core == 3);
}

TEST_CASE("placing shortens the ways and reports by how much", "[chip]") {
  std::vector<DvsStep> steps;
  ChipCase run = dvs_case(steps);
  const ChipSpec chip = load_chip("loihi1_sanafe");
  const ReplayOptions options{.level = Level::kCounts, .keep_core_traffic = true};
  const ReplayResult before = replay(run.network, chip, run.mapping, run.spikes, options);
  CHECK(packet_hops(chip, before.traffic) == before.total().hops);
  const Placement greedy = place_greedy(chip, run.mapping, before.traffic);
  const Placement annealed =
      place_annealed(chip, run.mapping, before.traffic, {.seed = 7, .moves = 50000});
  for (const Placement* placement : {&greedy, &annealed}) {
    CHECK(placement->hops_before == 928624);
    const ReplayResult after = replay(run.network, chip, placement->mapping, run.spikes, options);
    CHECK(after.total().hops == placement->hops_after);
    CHECK(after.total().deliveries == before.total().deliveries);
    CHECK(after.total().events == before.total().events);
  }
  CHECK(greedy.hops_after < 0.8 * 928624);
  CHECK(annealed.hops_after < greedy.hops_after);
  const Placement again =
      place_annealed(chip, run.mapping, before.traffic, {.seed = 7, .moves = 50000});
  CHECK(again.mapping.cores == annealed.mapping.cores);
  for (const auto& [mapper, as] : {std::pair{Mapper::kGreedy, greedy.mapping.cores},
                                   {Mapper::kSequential, run.mapping.cores}}) {
    const Placement placed = place(mapper, chip, run.mapping, before.traffic);
    CHECK(placed.hops_before == 928624);
    CHECK(placed.mapping.cores == as);
  }
  CHECK(place(Mapper::kSequential, chip, run.mapping, before.traffic).hops_after == 928624);
  // From the result of one the other may start.
  ReplayResult moved = replay(run.network, chip, greedy.mapping, run.spikes, options);
  CHECK(place_annealed(chip, greedy.mapping, moved.traffic, {}).hops_after <= greedy.hops_after);
}
