// spikeloom bench: how fast the engine is on this machine, beside what else could do the work.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bench/bench_kernels.hpp"
#include "bench/bench_nets.hpp"
#include "bench/bench_onednn.hpp"
#include "bench/bench_page.hpp"
#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "run/version.hpp"
#include "sim/graph/quantize.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;
using Values = options::variables_map;

CommandLine command_line() {
  CommandLine line{
      "spikeloom bench kernels|nets [OPTIONS]",
      "Measures the engine on this machine beside its competitors, in turns, in one run: medians "
      "of rounds, processor time on one thread, time on the wall on several. Compare figures of "
      "one run only.\n  kernels   single layers at chosen firing rates: event-driven, dense, and "
      "oneDNN's fp32, bf16 and int8 where it was built in; results are compared first\n  nets      "
      "whole networks, batch 1, random weights, thresholds chosen so that every population fires "
      "at the rate; PyTorch, eager, where it is installed"};
  add_options(
      line,
      {{"layer", texts(),
        "kernels: layers instead of the usual ones, repeatable: linear:784x360x1440 (rows x inputs "
        "x outputs), conv3x3:128x512@28 (inputs x outputs @ size), conv1x1, depthwise7x7:128@56, "
        "attention:196x8x45 (tokens x heads x width), lif:784x1440, lmu:512@128 (order @ steps), "
        "real-linear, real-conv1x1 (operands that are no spikes)"},
       {"net", texts(),
        "nets: meta15m, meta55m, spikegpt216m, lmuformer, repeatable; all of them if not given; "
        "meta_tiny, spikegpt_tiny, lmuformer_tiny to try the command"},
       {"rates", text(), "firing rates in percent; 5,10,20,30,50,100 for kernels, 10,25 for nets"},
       {"steps", text(), "kernels: time steps a call; 1,4"},
       {"threads", text(), "threads of everyone; 1 for kernels, 1,2 for nets"},
       {"precision", text("fp32"),
        "precisions of the engine, for those layers that they change: fp32, acc16, int8, bf16"},
       {"correlated", nullptr,
        "kernels: also spikes that come as whole rows and as whole channels"},
       {"reference", nullptr, "kernels: also the reference backend, which is slow"},
       {"rounds", whole(9), "rounds, 1 to 1000"},
       {"turn-ms", text(),
        "least milliseconds of a turn, short calls are repeated; 4 for kernels, 100 for nets"},
       {"simd", text(""), "SIMD target of the engine, the best one if not given"},
       {"torch", text("python3"),
        "nets: a Python that has PyTorch, and perhaps onnxruntime or OpenVINO"},
       {"driver", text("tests/bench/torch_nets.py"),
        "nets: the program it runs, part of the source"},
       {"json", text(), "write everything to this file"},
       {"html", text(), "write a page: speed-up against firing rate, where lines cross"}});
  add_word(line, "what");
  return line;
}

// Numbers between commas, each in [low, high]; `standard` where the flag is not given.
std::vector<double> numbers(const Values& values, const char* flag, const char* standard,
                            double low, double high) {
  std::vector<double> result;
  const std::string text = values.count(flag) ? values[flag].as<std::string>() : standard;
  for (const std::string& part : split_list(text, fmt::format("--{}", flag))) {
    char* end = nullptr;
    const double number = std::strtod(part.c_str(), &end);
    if (part.empty() || *end != 0 || !(number >= low && number <= high))
      throw usage_error(fmt::format("--{}: expected numbers from {} to {}, found {}", flag, low,
                                    high, in_quotes(part)));
    result.push_back(number);
  }
  return result;
}

std::vector<int64_t> counts(const Values& values, const char* flag, const char* standard,
                            int64_t most) {
  std::vector<int64_t> result;
  for (const double number : numbers(values, flag, standard, 1, static_cast<double>(most))) {
    if (number != std::floor(number))
      throw usage_error(fmt::format("--{}: expected whole numbers", flag));
    result.push_back(static_cast<int64_t>(number));
  }
  return result;
}

BenchOptions options_of(const Values& values, bool kernels) {
  if (kernels) {
    refuse_options(values, {"net", "torch", "driver"}, "goes with bench nets");
  } else {
    refuse_options(values, {"layer", "steps", "correlated", "reference"},
                   "goes with bench kernels");
  }
  BenchOptions result;
  result.layers = values.count("layer") ? texts_of(values, "layer") : default_layers();
  for (const std::string& layer : result.layers) parse_layer(layer);
  result.nets = texts_of(values, "net");
  if (result.nets.empty()) result.nets = {"meta15m", "meta55m", "spikegpt216m", "lmuformer"};
  for (const std::string& net : result.nets) check_net(net);
  for (const double percent :
       numbers(values, "rates", kernels ? "5,10,20,30,50,100" : "10,25", 0, 100))
    result.rates.push_back(percent / 100);
  result.steps = counts(values, "steps", "1,4", 1024);
  result.threads = counts(values, "threads", kernels ? "1" : "1,2", 1024);
  result.precisions = split_list(text_of(values, "precision"), "--precision");
  for (const std::string& precision : result.precisions) precision_named(precision);
  result.turns.rounds = in_range<int64_t>(values, "rounds", 1, 1000);
  const auto turn = numbers(values, "turn-ms", kernels ? "4" : "100", 0, 60000);
  if (turn.size() != 1) throw usage_error("--turn-ms: expected one number");
  result.turns.seconds = turn[0] / 1000;
  result.cpu = cpu_options_of_environment();
  result.cpu.simd = text_of(values, "simd");
  result.correlated = values.count("correlated") > 0;
  result.reference = values.count("reference") > 0;
  result.python = text_of(values, "torch");
  result.driver = text_of(values, "driver");
  return result;
}

// The lines above a table.
void print_heading(const BenchMachine& machine, const BenchOptions& options,
                   const std::string& competitors) {
  fmt::print("spikeloom {} on {}, {} cores, load {:.1f}; {}; compiler {}; {}; {} rounds\n",
             kVersion, machine.processor, machine.cores, machine.load, machine.backend,
             machine.compiler, competitors, options.turns.rounds);
}

json conditions_json(const BenchOptions& options, const BenchMachine& machine, const char* kind) {
  return {{"spikeloom", kVersion},
          {"kind", kind},
          {"machine", to_json(machine)},
          {"precisions", options.precisions},
          {"rounds", options.turns.rounds},
          {"time", "processor time on one thread, on the wall on several"}};
}

// What a run leaves besides its table.
struct Measured {
  json all;
  std::string page;
};

Measured bench_kernels(const BenchOptions& options, ProgressBar& bar) {
  const std::string onednn = onednn_version();
  const BenchMachine machine = machine_of(options);
  print_heading(machine, options, onednn.empty() ? "oneDNN: not there" : "oneDNN " + onednn);
  fmt::print(
      "ms per call, medians; columns behind the last bar: how many times faster the engine is, "
      "without LIF\n");
  std::string before;
  const auto results = run_kernels(options, [&](const KernelResult& result) {
    bar.clear();
    const std::string heading =
        fmt::format("{} {} {}", result.layer.name, result.steps, result.threads);
    if (heading != before) fmt::print("\n{}", kernel_heading(result));
    before = heading;
    fmt::print("{}", kernel_rows(result, options.precisions));
    std::fflush(stdout);
  });
  Measured outcome{conditions_json(options, machine, "kernels"),
                   kernels_page(results, options, machine)};
  outcome.all["competitors"] = {{"oneDNN", onednn.empty() ? json(nullptr) : json(onednn)}};
  for (const KernelResult& result : results) outcome.all["cases"].push_back(kernel_json(result));
  return outcome;
}

Measured bench_nets(const BenchOptions& options, ProgressBar& bar) {
  const BenchMachine machine = machine_of(options);
  print_heading(machine, options, "competitors by " + printable(options.python));
  std::string before;
  const auto results = run_nets(options, [&](const NetResult& result) {
    bar.clear();
    if (before != result.net) fmt::print("\n{}", net_heading(result));
    before = result.net;
    fmt::print("{}", net_rows(result));
    std::fflush(stdout);
  });
  Measured outcome{conditions_json(options, machine, "nets"), nets_page(results, options, machine)};
  for (const NetResult& result : results) outcome.all["cases"].push_back(net_json(result));
  return outcome;
}

}  // namespace

int command_bench(const Arguments& arguments) {
  const auto values = parse(command_line(), arguments);
  if (!values) return 0;
  const std::string what = text_of(*values, "what");
  if (what != "kernels" && what != "nets")
    throw usage_error("bench: expected kernels or nets, found " + in_quotes(what));
  BenchOptions options = options_of(*values, what == "kernels");
  ProgressBar bar(false);
  options.observer = bar.observer();
  end_at_interrupt();
  const Measured outcome =
      what == "kernels" ? bench_kernels(options, bar) : bench_nets(options, bar);
  bar.clear();
  install_interrupt_handler();
  if (values->count("json")) write_text_file(text_of(*values, "json"), dump_json(outcome.all));
  if (values->count("html")) write_text_file(text_of(*values, "html"), outcome.page);
  return 0;
}

}  // namespace spikeloom
