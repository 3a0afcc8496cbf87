// spikeloom count: the reports of a run, made of recorded spikes.

#include "run/count_recording.hpp"

#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "cli/print_result.hpp"
#include "cli/progress.hpp"
#include "cli/recording_options.hpp"
#include "core/parallel.hpp"
#include "run/price_trace.hpp"

namespace spikeloom {

int command_count(const Arguments& arguments) {
  CommandLine line{
      "spikeloom count TRACE.h5|FOLDER [--out FOLDER] [--chip NAME|FILE] [--full | --quiet]\n"
      "       spikeloom count --network NET --spikes FILE --out FOLDER [OPTIONS]",
      "Counts and prices spikes that were recorded before, or by another program: operation "
      "counts, "
      "every energy scheme,\nthe verdict and a page, as run gives them. Nothing is run. Writes "
      "report.json, report.csv, energy.csv, page.html,\nwith a chip chip.csv, of a network and its "
      "spikes trace.h5. docs/record.md records networks of PyTorch."};
  add_recording_options(line);
  add_options(line, {{"out", text(), "folder of the files; else where the trace lies"},
                     {"chip", text(), "price the spikes on this chip, too: preset or TOML file"},
                     {"host", nullptr, "what no core of the chip can do is left to a host"},
                     {"trained", text(), "the weights are trained: how, for the report"},
                     {"threads", whole(available_threads()),
                      "threads of the chip; no result depends on them"},
                     {"set", texts(), "a key of a NIR file: --set model.origin=norse"},
                     {"full", nullptr, "print every table instead of a summary"},
                     {"quiet,q", nullptr, "print nothing but errors"}});
  add_word(line, "trace", text());
  const auto values = parse(line, arguments);
  if (!values) return 0;
  RecordingCount job;
  job.recording = recording_files(*values);
  if (job.recording) {
    if (!values->count("out")) throw usage_error("--network: --out FOLDER is missing");
    job.recording->sets = texts_of(*values, "set");
  } else {
    refuse_options(*values, {"set"}, "goes with --network");
    job.trace = trace_in(text_of(*values, "trace"));
  }
  job.out = text_of(*values, "out");
  if (values->count("chip")) {
    job.chip.emplace();
    job.chip->name = text_of(*values, "chip");
    job.chip->host = values->count("host") > 0;
  } else {
    refuse_options(*values, {"host"}, "goes with --chip");
  }
  job.weights_trained = values->count("trained") > 0;
  job.weights_text = text_of(*values, "trained");
  job.threads = static_cast<int>(in_range<int64_t>(*values, "threads", 1, 4096));
  job.cancel = interrupt_token();
  const bool quiet = values->count("quiet") > 0;
  const RunResult result = [&] {
    ProgressBar bar(quiet);
    job.observer = bar.observer();
    return count_recording(job);
  }();
  return print_result(result, quiet, values->count("full") > 0);
}

}  // namespace spikeloom
