// Spikes that other programs keep in HDF5, SONATA's and NIRData's, behind the process that decodes
// it (hdf5_answers.hpp): read, and made the record of a network. The first byte says the network.

#include <iterator>
#include <string>

#include "core/io/hdf5/child.hpp"
#include "run/spike_file.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/hdf5_answers.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  hdf5::answer_in_thread(fuzz::answer_from_json);
  const std::string text = fuzz::kHdf5Mark + std::string(fuzz::text(data + 1, size - 1));
  const fuzz::InputFile input(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return fuzz::errors_only([&] {
    const SpikeFile file = load_spike_file(input.path());
    const WantedSpikes wanted[] = {{"a", {3}, {0, 1}}, {"b.c", {2, 2, 2}, {-3, 3}, true}};
    const double steps[] = {1e-3, 0, 1, 1e-4};
    for (const size_t count : {size_t{1}, std::size(wanted)}) {
      fuzz::errors_only([&] {
        record_of(file, std::span(wanted).first(count), steps[data[0] % 4], data[0] / 128 * 5);
      });
    }
  });
}
