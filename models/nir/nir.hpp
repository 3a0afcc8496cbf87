#pragma once
// A network of another program as NIR hands it over (nir/): graph and weights are those of a file,
// what the file leaves open is chosen here.

#include <filesystem>
#include <memory>

#include "nir/choices.hpp"

namespace spikeloom {

struct Family;

// Remembers the file that was read last, so that questions about a network do not read it again.
// Thread-safe.
class NirMemo;

struct NirConfig {
  std::filesystem::path path;
  nir::Choices choices;
  int64_t time_steps = 0;  // 0: as many as a sample has frames
  std::shared_ptr<NirMemo> memo;
};

// Its row of the table of families.
Family nir_family();

}  // namespace spikeloom
