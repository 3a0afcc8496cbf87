#include "run/chip_dense.hpp"

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "hw_model/chip/dense.hpp"
#include "hw_model/report/report_view.hpp"
#include "models/dense_twin.hpp"
#include "sim/graph/step_axis.hpp"

namespace spikeloom {

std::map<std::string, double> twin_zeros(const std::filesystem::path& trace,
                                         const std::string& signature) {
  const std::filesystem::path path = trace.parent_path() / "report.json";
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return {};
  constexpr int64_t kMostBytes = int64_t{1} << 30;
  const std::vector<std::byte> bytes = read_file(path, kMostBytes);
  const nlohmann::json report =
      parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
  std::map<std::string, double> zeros;
  if (signature.empty() || text_in(report, {"signature"}) != signature) return zeros;
  const nlohmann::json* shares = find_in(report, {"dense_twin", "zero_inputs"});
  if (shares == nullptr || !shares->is_object()) return zeros;
  for (const auto& [layer, share] : shares->items()) {
    const double value = share.is_number() ? share.get<double>() : -1;
    if (!(value >= 0 && value <= 1)) {
      throw Error(ErrorCode::kData, path.string() + ": dense_twin.zero_inputs of " +
                                        printable(layer) + " is not in 0 to 1");
    }
    zeros[layer] = value;
  }
  return zeros;
}

DenseSide run_accelerator(const std::string& name_or_path, const Graph& graph, int64_t steps,
                          const std::map<std::string, double>& zeros) {
  const DenseSpec spec = load_dense(name_or_path);
  if (spec.relative) {
    throw Error(ErrorCode::kUsage,
                "--dense: " + spec.name + " tells multiples of a MAC only, no energies");
  }
  const auto* input = std::get_if<Input>(&graph.node(0).op);
  const bool is_static = input != nullptr && input->repeated;
  const bool twin = is_static && graph.form == GraphForm::kAsWritten;
  DenseRun run;
  const bool every = is_dense_at_every_step(graph);
  run.rate_steps = every ? 1 : steps;  // a sequence tells a value at every step
  if (twin) run.zeros = zeros;
  const DenseResult result =
      dense_accelerator(twin ? dense_twin(graph) : graph, every ? steps : 1, spec, run);
  constexpr double kJoulesPerPj = 1e-12;
  const auto batch = static_cast<double>(result.batch);
  AcceleratorRow row;
  row.name = spec.name + " (" + std::string(name_of(spec.format)) + ")";
  row.network = twin ? "dense_twin" : "dense_same";
  row.joules = result.total.energy.total() * kJoulesPerPj / batch;
  row.seconds = result.seconds > 0 ? result.seconds / batch : 0;
  row.weakest = result.weakest;
  row.unpriced = result.unpriced;
  return {spec, row};
}

}  // namespace spikeloom
