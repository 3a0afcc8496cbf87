#pragma once
// Networks that come as a plain checkpoint and a list of layers, [[layer]] in the experiment: one
// behind the other, with recurrence and residual sums. Dimensions are those of the arrays.

#include <map>
#include <string>
#include <vector>

#include "core/shape.hpp"
#include "core/table_row.hpp"
#include "nir/choices.hpp"

namespace spikeloom {

struct Family;

// What the arrays of the checkpoint say of the network.
struct LayerArrays {
  std::map<std::string, Shape, std::less<>> shapes;    // arrays of the network, as it has them
  std::map<std::string, double, std::less<>> numbers;  // arrays of one element: parameters
  int64_t classes = 0;                                 // values of the last layer
};

struct LayersConfig {
  Shape input;  // of a step, channels first: (N), (C, L), (C, H, W)
  nir::Fire fire = nir::Fire::kAt;
  Reset reset = Reset::kHard;
  double dt = 1;  // time constants are multiples of it, steps where it is 1
  nir::RecurrentStart recurrent_start = nir::RecurrentStart::kBias;
  nir::Readout readout = nir::Readout::kRate;
  int64_t time_steps = 0;  // 0: as many as a sample has frames
  std::vector<TableRow> rows;
  LayerArrays arrays;
};

// Its row of the table of families.
Family layers_family();

}  // namespace spikeloom
