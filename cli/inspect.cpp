// spikeloom inspect: what is in a spike trace.

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <iostream>

#include "cli/inspect_network.hpp"
#include "cli/options.hpp"
#include "cli/recording.hpp"
#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "hw_model/report/trace_view.hpp"
#include "run/inspect_page.hpp"
#include "run/network_file.hpp"
#include "run/recording_facts.hpp"
#include "sim/trace/inspect.hpp"

namespace spikeloom {
namespace {

void print_header(const TraceFile& trace, const TraceSummary& summary) {
  fmt::print("{}: {}, created {}\n", trace.path().string(), summary.header.generator,
             summary.header.created);
  // They are written at the end of a run.
  const auto known = [](const std::string& text) { return text.empty() ? "not known yet" : text; };
  fmt::print("signature {}, run {}, config {}\n", known(summary.header.signature),
             known(summary.header.run_id), known(summary.header.config_sha256.substr(0, 16)));
  fmt::print("{} samples, {} steps{}\n", summary.samples, summary.steps,
             summary.partial ? ", only a selection recorded" : "");
  if (const Accuracy accuracy = accuracy_of(trace); accuracy.known)
    fmt::print("accuracy {}/{} = {:.2f} %\n", accuracy.correct, accuracy.total,
               100 * accuracy.fraction());
  if (!summary.warning.empty()) fmt::print("warning: {}\n", summary.warning);
}

// "#17: 480": neuron and its spikes.
std::string first_of(const std::vector<NeuronActivity>& neurons) {
  return neurons.empty() ? "-" : fmt::format("#{}: {}", neurons[0].neuron, neurons[0].spikes);
}

void print_table(const TraceSummary& summary) {
  fmt::print("\n{:<34} {:>14} {:>9} {:>8} {:>12} {:>16} {:>16}  spikes per step\n", "population",
             "shape", "rows", "rate %", "spikes", "most active", "least active");
  for (const PopulationSummary& p : summary.populations) {
    const std::string shape = fmt::format("{}", fmt::join(p.shape, "x"));
    if (!p.fault.empty()) {
      fmt::print("{:<34} {:>14} damaged: {}\n", p.name, shape, p.fault);
      continue;
    }
    fmt::print("{:<34} {:>14} {:>9} {:>8.3f} {:>12} {:>16} {:>16}  {}\n", p.name, shape, p.rows,
               100 * p.rate(), p.spikes, first_of(p.most_active), first_of(p.least_active),
               fmt::join(p.spikes_per_step, " "));
  }
}

void print_layer(const TraceFile& trace, const PopulationSummary& p) {
  const TracePopulation& population = trace.populations()[trace.at(p.name)];
  fmt::print("\n{}: {} neurons, {}, {}, {} spikes, rate {:.3f} %\n", p.name, p.neurons,
             population.neuron_model,
             std::isnan(population.threshold) ? "thresholds of their own"
                                              : fmt::format("threshold {}", population.threshold),
             p.spikes, 100 * p.rate());
  const auto list = [&](const char* title, const std::vector<NeuronActivity>& neurons) {
    fmt::print("  {} active:", title);
    for (const NeuronActivity& neuron : neurons) {
      fmt::print("  #{} ({}) {}", neuron.neuron, coordinates(population, neuron.neuron),
                 neuron.spikes);
    }
    fmt::print("\n");
  };
  list("most ", p.most_active);
  list("least", p.least_active);
}

int verify_trace(const TraceFile& trace) {
  const auto faults = verify(trace);
  for (const std::string& fault : faults) fmt::print("fault: {}\n", fault);
  if (!faults.empty())
    throw Error(ErrorCode::kData, fmt::format("{}: {} fault{}", trace.path().string(),
                                              faults.size(), faults.size() == 1 ? "" : "s"));
  fmt::print("{}: verified, {} populations recounted, no fault\n", trace.path().string(),
             trace.populations().size());
  return 0;
}

}  // namespace

int command_inspect(const Arguments& arguments) {
  CommandLine line{
      "spikeloom inspect TRACE.h5|FOLDER [--layer NAME] [--verify] [--events NAME] [--json] "
      "[--html FILE], or spikeloom inspect RECORDING [--set dataset.KEY=value]... [--json], or "
      "spikeloom inspect NETWORK.nir [--set model.KEY=value]... [--json] [--html FILE] "
      "[--check PAIR.npz [--prefix NAME]]",
      "Shows shape, firing rate and spikes per step of every recorded layer, and its most and "
      "least active neurons. A folder stands for the trace.h5 in it. --html writes a page with "
      "pictures of trace and\nreport; it also takes a report.json. Of a recording of an event "
      "camera: format, sensor, events, rate over time. Of a network: every node and what becomes "
      "of it; --set model.origin, model.dt and others say what its file leaves open."};
  add_options(
      line,
      {{"layer", texts(),
        "show the five most and least active neurons of this layer (repeatable; 'all')"},
       {"verify", nullptr, "recount everything; exit code 3 when a fault is found"},
       {"events", text(), "print the event list of a layer as CSV"},
       {"json", nullptr, "print the summary as JSON"},
       {"html", text(),
        "write a page: spikes of a layer (--layer), rates, operations, energies, provenance"}});
  add_options(
      line, {{"check", text(),
              "of a network: run it on \"input\" of an .npz and compare \"output\", \"<node>/z\", "
              "\"<node>/v\"; exit code 3 at a difference"},
             {"prefix", text(), "of --check: the arrays are called NAME/..."}});
  add_set_option(line);
  add_word(line, "trace");
  const auto values = parse(line, arguments);
  if (!values) return 0;
  if (values->count("verify") + values->count("events") + values->count("json") +
          values->count("html") + values->count("check") >
      1) {
    throw usage_error("give one of --verify, --events, --json, --html and --check; usage: " +
                      line.usage);
  }
  const std::vector<std::string> layers = texts_of(*values, "layer");
  const std::string argument = text_of(*values, "trace");
  const bool may_be_trace =
      !std::filesystem::is_regular_file(argument) || argument.ends_with(".h5");
  if (const Family* family = may_be_trace ? nullptr : family_of_file(argument))
    return inspect_network(*family, argument, *values);
  refuse_options(*values, {"check", "prefix"},
                 fmt::format("an option of networks, {} is none", printable(argument)));
  if (values->count("set") && argument != "-") const InputFile there(argument);  // or it says so
  if (values->count("set") || is_recording(argument)) {
    refuse_options(*values, {"layer", "verify", "events", "html"}, "an option of traces");
    return inspect_recording(argument, *values);
  }
  if (values->count("html")) {
    const auto page = text_of(*values, "html");
    write_inspect_page(argument, page, layers);
    fmt::print("wrote {}\n", printable(page));
    return 0;
  }
  const TraceFile trace = open_trace(argument);
  if (values->count("verify")) return verify_trace(trace);
  if (values->count("events")) {
    export_events(trace, text_of(*values, "events"), std::cout);
    return 0;
  }
  const bool all = layers == std::vector<std::string>{"all"};
  if (!all) {
    for (const std::string& layer : layers) trace.at(layer);
  }
  const TraceSummary summary = summarise(trace);
  if (values->count("json")) {
    fmt::print("{}", dump_json(to_json(summary)));
    return 0;
  }
  print_header(trace, summary);
  print_table(summary);
  for (const PopulationSummary& p : summary.populations) {
    const bool wanted = all || std::find(layers.begin(), layers.end(), p.name) != layers.end();
    if (wanted && p.fault.empty()) print_layer(trace, p);
  }
  return 0;
}

}  // namespace spikeloom
