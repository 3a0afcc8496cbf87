// spikeloom run: one experiment from its TOML file to its output folder.

#include "run/run.hpp"

#include <nlohmann/json.hpp>

#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "cli/print_result.hpp"
#include "cli/progress.hpp"

namespace spikeloom {
int command_run(const Arguments& arguments) {
  CommandLine line{
      "spikeloom run EXPERIMENT.toml [--chip NAME|FILE] [--set key=value]... [--resume] "
      "[--full | --quiet]",
      "Runs the network of an experiment file over its dataset, event by event. The output folder "
      "receives\npage.html, report.json, report.csv, energy.csv, logits.npy, trace.h5, the feature "
      "maps asked for and, with a chip, chip.csv.\nSPIKELOOM_SIMD forces a SIMD target. "
      "docs/experiment.md lists every key."};
  add_set_option(line);
  add_device_option(line);
  add_options(
      line,
      {{"chip", text(),
        "price the spikes on this chip, too: preset or TOML file; the same as --set chip.name=..."},
       {"resume", nullptr,
        "continue the unfinished run in the output folder after its last finished sample"},
       {"full", nullptr, "print every table instead of a summary"},
       {"quiet,q", nullptr, "print nothing but errors"}});
  add_word(line, "experiment");
  const auto values = parse(line, arguments);
  if (!values) return 0;
  Config config = load_experiment(text_of(*values, "experiment"), *values);
  if (values->count("chip")) {
    const nlohmann::json name = text_of(*values, "chip");
    config.set("chip.name=" + name.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  const bool quiet = values->count("quiet") > 0;
  RunOptions run;
  run.resume = values->count("resume") > 0;
  run.cpu = cpu_options_of_environment();
  run.cancel = interrupt_token();
  const auto result = [&] {
    ProgressBar bar(quiet);
    run.observer = bar.observer();
    return run_experiment(read_experiment(std::move(config)), run);
  }();
  return print_result(result, quiet, values->count("full") > 0);
}

}  // namespace spikeloom
