#include "run/export_network.hpp"

#include "core/error.hpp"
#include "nir/write.hpp"
#include "run/network.hpp"

namespace spikeloom {

ExportedNetwork export_network(const Experiment& given, bool v_reset) {
  if (given.reads_tokens()) throw given.error_at("model.family", "NIR has no tokens");
  Experiment experiment = given;
  const auto data = open_dataset(dataset_of(experiment));
  fit_to(experiment, data->info());
  if (experiment.model.family->given == nullptr) experiment.run.form = GraphForm::kFused;
  const Network network = make_network(experiment, data->info());
  const nir::Lifted lifted = nir::lift(network.model.graph, network.model.weights,
                                       experiment.model.family->given == nullptr);
  ExportedNetwork exported;
  exported.bytes = nir::write(lifted, {v_reset});
  exported.nodes = lifted.network.nodes.size();
  for (const auto& inputs : lifted.network.inputs) exported.edges += inputs.size();
  exported.notes = network.notes;
  exported.notes.insert(exported.notes.end(), lifted.notes.begin(), lifted.notes.end());
  return exported;
}

}  // namespace spikeloom
