// Networks of SONATA behind the process that decodes HDF5 (hdf5_answers.hpp): nodes and edges as a
// graph with its connections; or, where the first byte is odd, a configuration that names files.

#include <nlohmann/json.hpp>

#include "core/io/hdf5/child.hpp"
#include "core/io/json.hpp"
#include "run/sonata_network.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/hdf5_answers.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  hdf5::answer_in_thread(fuzz::answer_from_json);
  const bool names_files = data[0] % 2 != 0;
  const std::string text =
      (names_files ? "" : fuzz::kHdf5Mark) + std::string(fuzz::text(data + 1, size - 1));
  const fuzz::InputFile input(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return fuzz::errors_only([&] {
    if (names_files) {
      if (is_sonata(load_json(input.path()))) read_sonata_config(input.path(), 0);
      return;
    }
    const SonataNetwork network = read_sonata_files({input.path()}, data[0] < 128 ? 1e-3 : 0);
    for (const auto& [name, synapses] : network.synapses) {
      const auto& op = std::get<Linear>(network.graph.node(*network.graph.find(name)).op);
      if (std::ssize(synapses.first) != op.in_features + 1) std::abort();
      for (const uint32_t target : synapses.targets) {
        if (static_cast<int64_t>(target) >= op.out_features) std::abort();
      }
    }
  });
}
