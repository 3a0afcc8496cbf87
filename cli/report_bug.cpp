// spikeloom report-bug: what an issue needs, to be pasted into it.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/environment.hpp"
#include "cli/options.hpp"
#include "run/bug_report.hpp"

namespace spikeloom {

int command_report_bug(const Arguments& arguments) {
  CommandLine line{"spikeloom report-bug [EXPERIMENT.toml] [--set KEY=VALUE]...",
                   "Prints what a bug report needs: versions of the program and its libraries, "
                   "compiler, system, "
                   "processor, limits of\nmemory, devices; with an experiment its keys. Paths and "
                   "other texts are "
                   "left out, so is everything that names\na user or a machine; no data is read."};
  add_word(line, "experiment", text(""));
  add_set_option(line);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  const std::string file = text_of(*values, "experiment");
  if (file.empty()) refuse_options(*values, {"set"}, "there is no experiment");
  const CpuOptions options = cpu_options_of_environment();
  fmt::print("{}", describe_program({{"SPIKELOOM_SIMD", options.simd},
                                     {"SPIKELOOM_SUMS", options.sums},
                                     {"SPIKELOOM_CUDA", options.cuda}}));
  // What is printed by now is of use even where the experiment itself is refused.
  if (!file.empty())
    fmt::print("\n{}", describe_keys(read_experiment(load_experiment(file, *values)).config));
  return 0;
}

}  // namespace spikeloom
