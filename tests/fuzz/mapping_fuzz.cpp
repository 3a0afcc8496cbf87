// Mapping files for a small network: JSON to cores, written and read again.

#include <cstdlib>

#include "hw_model/chip/mapping_file.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ChipNetwork network;
  network.populations.resize(2);
  network.populations[0].name = "map";
  network.populations[0].height = 3;
  network.populations[0].width = 2;
  network.populations[0].channels = 4;
  network.populations[1].name = "flat";
  network.populations[1].channels = 5;
  ChipSpec chip;
  chip.name = "c";
  chip.cols = 2;
  chip.cores_per_tile = 2;
  return fuzz::errors_only([&] {
    const Mapping mapping = parse_mapping(fuzz::text(data, size), "a.json", network, chip);
    const Mapping again =
        parse_mapping(mapping_json(mapping, network, chip), "again.json", network, chip);
    if (cores_of_neurons(network, chip, again) != cores_of_neurons(network, chip, mapping)) {
      std::abort();
    }
  });
}
