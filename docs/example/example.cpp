// A program that uses Spikeloom as a library: runs the experiment file it is given or, without one,
// a small network with random weights on random sequences, and says what came out.
//
//   example [EXPERIMENT.toml]
#include <cstdio>
#include <filesystem>

#include "core/io/npy.hpp"
#include "core/rng.hpp"
#include "run/run.hpp"

using namespace spikeloom;

// Built in memory: a spiking LMUFormer on four sequences of 20 steps, each of 8 values.
static Experiment small_experiment(const std::filesystem::path& folder) {
  Tensor values({4, 20, 8});
  for (size_t i = 0; i < values.f32().size(); ++i) values.f32()[i] = random_uniform(1, 0, i);
  save_npy(folder / "sequences.npy", values);
  Experiment experiment;
  experiment.model = choose_model("lmuformer");
  for (const auto& [key, value] : {std::pair("dim", 32), {"memory_size", 16}, {"seq_len", 20}})
    set_key(experiment.model, key, key, int64_t{value});
  set_key(experiment.model, "in_channels", "in_channels", int64_t{8});
  set_key(experiment.model, "theta", "theta", 20.0);
  experiment.dataset.kind = "npy";
  experiment.dataset.path = folder / "sequences.npy";
  experiment.output.dir = folder / "out";
  return experiment;
}

int main(int argc, char** argv) try {
  const auto folder = std::filesystem::temp_directory_path() / "spikeloom_example";
  std::filesystem::create_directories(folder);
  RunOptions options;
  options.observer.note = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
  const RunResult result = run_experiment(
      argc > 1 ? read_experiment(Config::load(argv[1])) : small_experiment(folder), options);
  std::printf("%s\n", result.report.verdict.headline.c_str());
  std::printf("%ld of %ld %ss, signature %s, report in %s\n", long(result.done), long(result.size),
              result.unit.c_str(), result.signature().c_str(),
              (result.folder / "report.json").c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return exit_code(error.code());
}
