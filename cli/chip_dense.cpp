#include "cli/chip_dense.hpp"

#include "core/error.hpp"
#include "hw_model/chip/dense.hpp"
#include "models/ann/dense_twin.hpp"

namespace spikeloom {

AcceleratorRow run_accelerator(const std::string& name_or_path, const Graph& graph, int64_t steps) {
  const DenseSpec spec = load_dense(name_or_path);
  if (spec.relative) {
    throw Error(ErrorCode::kUsage,
                "--dense: " + spec.name + " tells multiples of a MAC only, no energies");
  }
  const auto* input = std::get_if<Input>(&graph.node(0).op);
  const bool is_static = input != nullptr && input->repeated;
  const bool twin = is_static && graph.form == "as_written";
  DenseRun run;
  run.rate_steps = is_static ? steps : 1;  // a sequence tells a value at every step
  const DenseResult result =
      dense_accelerator(twin ? dense_twin(graph) : graph, is_static ? 1 : steps, spec, run);
  constexpr double kJoulesPerPj = 1e-12;
  const auto batch = static_cast<double>(result.batch);
  AcceleratorRow row;
  row.name = spec.name + " (" + std::string(name_of(spec.format)) + ")";
  row.network = twin ? "dense_twin" : "dense_same";
  row.joules = result.total.energy.total() * kJoulesPerPj / batch;
  row.seconds = result.seconds > 0 ? result.seconds / batch : 0;
  row.weakest = result.weakest;
  row.unpriced = result.unpriced;
  return row;
}

}  // namespace spikeloom
