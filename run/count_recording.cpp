#include "run/count_recording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/file.hpp"
#include "core/io/folder_lock.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "core/io/text.hpp"
#include "hw_model/energy/lmu_forms.hpp"
#include "hw_model/report/report_view.hpp"
#include "hw_model/report/trace_view.hpp"
#include "run/chip_live.hpp"
#include "run/describe.hpp"
#include "run/process.hpp"
#include "run/report_files.hpp"
#include "run/version.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/graph/step_axis.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/recorder.hpp"
#include "sim/trace/replay.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

// What is counted: the network, and how its spikes are shown to sinks.
struct Spikes {
  Graph graph;
  Weights weights;
  std::vector<int64_t> sample_steps;
  Accuracy accuracy;
  double dt = 0;         // s, of a step; 0: steps without a length
  std::string from;      // files, for people
  std::string recorder;  // "another program", "spikeloom 0.1.0"
  std::vector<std::string> notes;
  std::map<std::string, std::string> files;  // SHA-256 by role
  std::function<void(TraceSink&)> show;
};

std::string quoted_list(const std::vector<std::string>& names) {
  constexpr size_t kMost = 3;
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kMost); ++i)
    list += (i == 0 ? "" : ", ") + printable(names[i], 60);
  return names.size() > kMost ? fmt::format("{} and {} more", list, names.size() - kMost) : list;
}

// All of them: one that is missing would be taken for silent.
void require_populations(const Graph& graph, const std::function<bool(const std::string&)>& has,
                         const fs::path& path) {
  std::vector<std::string> missing;
  for (const Population& population : populations_of(graph)) {
    if (!has(population.name)) missing.push_back(population.name);
  }
  if (missing.empty()) return;
  throw Error(ErrorCode::kData,
              fmt::format("{}: has no spikes of {}; counts need those of every population",
                          printable(path.string()), quoted_list(missing)));
}

// Of the run that wrote it; other programs say none, and theirs is taken to be fp32.
std::string precision_of(const TraceFile& trace) {
  const std::string text = trace.config_json();
  const nlohmann::json config =
      nlohmann::json::accept(text) ? parse_json(text, "configuration") : nlohmann::json();
  const std::string precision = text_in(config, {"run", "precision"});
  return precision.empty() ? std::string(name_of(Precision::kF32)) : precision;
}

Spikes of_trace(const fs::path& path) {
  auto trace = std::make_shared<TraceFile>(path);
  Spikes spikes;
  spikes.graph = graph_from_json(trace->graph_json(), path.string() + ": stored graph");
  if (trace->is_partial())
    throw Error(ErrorCode::kData,
                path.string() + ": holds a selection of the steps; counts need all of them");
  require_populations(
      spikes.graph,
      [&](const std::string& name) {
        return std::any_of(trace->populations().begin(), trace->populations().end(),
                           [&](const TracePopulation& p) { return p.layer == name; });
      },
      path);
  if (const std::string precision = precision_of(*trace); precision != name_of(Precision::kF32))
    throw Error(ErrorCode::kUsage,
                path.string() + ": the trace is of a run in " + printable(precision, 20) +
                    ", counts are priced as fp32; its own report says what it costs");
  for (const TraceSample& sample : trace->samples()) spikes.sample_steps.push_back(sample.steps);
  spikes.accuracy = accuracy_of(*trace);
  spikes.from = path.filename().string();
  const std::string& generator = trace->header().generator;
  spikes.recorder = generator.empty() ? "another program" : printable(generator, 60);
  if (!trace->warning().empty()) spikes.notes.push_back(trace->warning());
  spikes.files["trace"] = InputFile(path).sha256();
  spikes.show = [trace, graph = spikes.graph](TraceSink& sink) {
    replay(*trace, graph, std::ssize(trace->samples()), sink);
  };
  return spikes;
}

void set_level(SpikeTensor& planes, int64_t rows, int64_t channels, LevelRange range,
               const SpikeRecord::Event& event) {
  const int64_t row = event.neuron / channels, channel = event.neuron % channels;
  const int64_t magnitude = std::abs(int64_t{event.level});
  for (int64_t plane = 0; plane < range.magnitudes(); ++plane) {
    if ((magnitude >> plane & 1) != 0) planes.set(plane * rows + row, channel);
  }
  if (event.level < 0) planes.set(range.magnitudes() * rows + row, channel);
}

// A step after the other, as replay() shows a trace.
void show_record(const SpikeRecord& record, const Graph& graph, TraceSink& sink) {
  const std::vector<Population> populations = populations_of(graph);
  const std::vector<int64_t> words(populations.size(), 0);
  int64_t first = 0;
  for (size_t s = 0; s < record.sample_steps.size(); ++s) {
    sink.begin_sample({static_cast<int64_t>(s), -1, first});
    for (int64_t step = 0; step < record.sample_steps[s]; ++step) {
      std::vector<SpikeTensor> values;
      std::vector<const uint64_t*> bits;
      values.reserve(populations.size());
      for (const Population& population : populations) {
        const SpikeRecord::Population& own = record.populations.at(population.name);
        const int64_t channels = channels_of(population.shape);
        SpikeTensor& planes = values.emplace_back(population.rows(), channels);
        const auto at = static_cast<size_t>(first + step);
        for (int64_t e = own.first[at]; e < own.first[at + 1]; ++e)
          set_level(planes, rows_of(population.shape), channels, population.levels,
                    own.events[static_cast<size_t>(e)]);
        bits.push_back(planes.view().words);
      }
      sink.chunk({populations, step, 1, bits, words});
    }
    first += record.sample_steps[s];
    sink.end_sample({record.sample_steps[s], -1});
  }
}

Spikes of_files(const RecordingFiles& files) {
  const std::shared_ptr<const ChipRecording> recording = read_recording(files);
  if (!recording->sparse.empty())
    throw Error(ErrorCode::kUsage,
                printable(files.network[0].string()) +
                    ": counts need layers, a SONATA circuit has single synapses; spikeloom chip "
                    "prices it");
  Spikes spikes;
  spikes.graph = recording->graph;
  spikes.weights = recording->weights;
  const auto& populations = recording->record.populations;
  require_populations(
      spikes.graph, [&](const std::string& name) { return populations.count(name) > 0; },
      files.spikes);
  spikes.sample_steps = recording->record.sample_steps;
  spikes.dt = recording->dt;
  spikes.from = files.network[0].filename().string() + " and " + files.spikes.filename().string();
  spikes.recorder = "another program";
  spikes.notes = recording->notes;
  spikes.files["network"] = InputFile(files.network[0]).sha256();
  spikes.files["spikes"] = InputFile(files.spikes).sha256();
  spikes.show = [recording](TraceSink& sink) {
    show_record(recording->record, recording->graph, sink);
  };
  return spikes;
}

// What of a recording cannot be counted so.
void check_countable(const Spikes& spikes) {
  for (const Node& node : spikes.graph.nodes()) {
    if (node.vocabulary > 0)
      throw Error(ErrorCode::kUsage,
                  "the network reads tokens; only a run of its own counts these (spikeloom run)");
  }
  if (spikes.graph.form == GraphForm::kFused)
    throw Error(ErrorCode::kUsage,
                "the trace is of the fused form; counts go by the network as it was written");
  if (spikes.sample_steps.empty()) throw Error(ErrorCode::kData, spikes.from + ": no samples");
  const int64_t steps = spikes.sample_steps[0];
  for (const int64_t other : spikes.sample_steps) {
    if (other != steps)
      throw Error(ErrorCode::kUsage,
                  fmt::format("samples have {} and {} steps; count those of a length apart",
                              std::min(steps, other), std::max(steps, other)));
  }
  if (steps < 1) throw Error(ErrorCode::kData, spikes.from + ": samples without steps");
}

// Shows what it sees to several.
class Fan final : public TraceSink {
 public:
  Fan(std::vector<TraceSink*> sinks, const RecordingCount& job, int64_t samples)
      : sinks_(std::move(sinks)), job_(job), samples_(samples) {}
  void begin_sample(const SampleStart& sample) override {
    if (job_.cancel.cancelled()) throw Error(ErrorCode::kInterrupted, "interrupted");
    for (TraceSink* sink : sinks_) sink->begin_sample(sample);
  }
  void chunk(const SpikeChunk& chunk) override {
    for (TraceSink* sink : sinks_) sink->chunk(chunk);
  }
  void end_sample(const SampleEnd& end) override {
    for (TraceSink* sink : sinks_) sink->end_sample(end);
    job_.observer.report({"counting", ++done_, samples_, ""});
  }

 private:
  std::vector<TraceSink*> sinks_;
  const RecordingCount& job_;
  int64_t samples_, done_ = 0;
};

std::string config_of(const RecordingCount& job) {
  nlohmann::json config;
  if (job.recording) {
    for (const fs::path& path : job.recording->network)
      config["count"]["network"].push_back(path.string());
    config["count"]["spikes"] = job.recording->spikes.string();
  } else {
    config["count"]["trace"] = job.trace.string();
  }
  if (job.chip) config["chip"]["name"] = job.chip->name;
  return dump_json(config);
}

std::unique_ptr<Recorder> make_recorder(const RecordingCount& job, const Spikes& spikes,
                                        const std::string& config) {
  if (!job.recording) return nullptr;
  RecorderOptions options;
  options.path = job.out / "trace.h5";
  options.config_json = config;
  options.config_sha256 = sha256_hex(config);
  options.graph_json = graph_to_json(spikes.graph, nullptr);
  if (spikes.dt > 0) options.dt_ms = 1000 * spikes.dt;
  options.run_id = sha256_hex(options.config_sha256 + spikes.files.at("spikes")).substr(0, 16);
  options.generator = fmt::format("spikeloom {}", kVersion);
  options.steps_per_sample = spikes.sample_steps[0];
  return std::make_unique<Recorder>(spikes.graph, options);
}

ReportInput describe(const RecordingCount& job, const Spikes& spikes, const std::string& config,
                     const RunStatistics& statistics) {
  const Graph& graph = spikes.graph;
  const auto samples = std::ssize(spikes.sample_steps);
  const int64_t steps = spikes.sample_steps[0];
  ReportInput input;
  input.version = kVersion;
  input.generator = fmt::format("spikeloom {}", kVersion);
  input.config = parse_json(config, "config");
  input.config_sha256 = sha256_hex(config);
  input.inputs = spikes.files;
  input.weights_trained = job.weights_trained;
  input.weights_text =
      job.weights_text.empty() ? "where the spikes were recorded" : job.weights_text;
  input.backend = "none";
  input.simd = input.schedule = "none";
  input.dataset =
      fmt::format("spikes recorded by {}: {}, {} samples", spikes.recorder, spikes.from, samples);
  input.rate_source =
      fmt::format("spikes recorded by {}, {} samples x {} steps", spikes.recorder, samples, steps);
  input.recorded = fmt::format("spikes recorded by {}, nothing was run here", spikes.recorder);
  RunCounts& counts = input.counts;
  const bool sequence = is_dense_at_every_step(graph);
  counts = count_forms(graph, statistics, Precision::kF32, true);
  counts.evidence = Evidence::kRecorded;
  counts.dense_same = count_dense_run(graph, samples, sequence ? steps : 1);
  counts.steps = steps;
  counts.is_sequence = sequence;
  input.lmu_forms = lmu_form_costs(graph, statistics);
  input.accuracy = spikes.accuracy;
  input.warnings = spikes.notes;
  for (std::string& line : unnamed_work(graph, counts.as_written.ops))
    input.warnings.push_back(std::move(line));
  input.network = view_of(graph, counts.as_written.ops);
  input.network.parameters = parameter_count(graph);
  return input;
}

}  // namespace

std::vector<std::string> unnamed_work(const Graph& graph, const OpCounts& counts) {
  std::vector<std::string> lines;
  std::map<std::string, std::pair<int64_t, int64_t>> elementwise;  // nodes, elements of a step
  const auto all =
      static_cast<double>(counts.totals.dense_macs + counts.totals.dense_macs_attention);
  for (const Node& node : graph.nodes()) {
    const auto* op = std::get_if<RecordedOp>(&node.op);
    if (op == nullptr || op->neurons || op->moves) continue;
    if (op->macs == 0) {
      auto& [nodes, elements] = elementwise[op->what];
      ++nodes;
      elements += element_count(node.shape);
      continue;
    }
    const auto found = std::find_if(counts.layers.begin(), counts.layers.end(),
                                    [&](const LayerCount& l) { return l.name == node.name; });
    const double share = all > 0 ? static_cast<double>(found->dense_macs) / all : 0;
    lines.push_back(fmt::format("no operator here: {} ({}), {} of the products, {}",
                                printable(node.name, 80), printable(op->what, 40),
                                percent_text(share),
                                !found->spike_operand ? "all taken as MACs"
                                : op->fan_out > 0     ? "additions exact"
                                                      : "additions by the mean reach of a spike"));
  }
  std::string rest;
  int64_t elements = 0;
  for (const auto& [what, sum] : elementwise) {
    rest += fmt::format("{}{} x {}", rest.empty() ? "" : ", ", sum.first, printable(what, 40));
    elements += sum.second;
  }
  if (!rest.empty())
    lines.push_back(
        fmt::format("no operator here, without known products: {}; {} elements a step, "
                    "which no scheme prices",
                    rest, elements));
  return lines;
}

RunResult count_recording(const RecordingCount& given) {
  const auto start = std::chrono::steady_clock::now();
  RecordingCount job = given;
  if (job.out.empty()) job.out = job.recording ? fs::path("out") : job.trace.parent_path();
  if (job.out.empty()) job.out = ".";
  std::optional<FolderLock> folder = FolderLock::of_existing(job.out);
  job.observer.report({"loading", 0, 0, ""});
  const Spikes spikes = job.recording ? of_files(*job.recording) : of_trace(job.trace);
  check_countable(spikes);
  const std::string config = config_of(job);
  OpCounter counter(spikes.graph);
  Signature signature(spikes.graph);
  std::vector<TraceSink*> sinks{&counter, &signature};
  std::optional<LiveChip> chip;
  if (job.chip) sinks.push_back(&chip.emplace(*job.chip, spikes.graph, job.threads));
  if (!folder) folder.emplace(job.out);
  ReportFiles reports(job.out);
  const std::unique_ptr<Recorder> recorder = make_recorder(job, spikes, config);
  if (recorder) sinks.push_back(recorder.get());
  const auto samples = std::ssize(spikes.sample_steps);
  Fan fan(std::move(sinks), job, samples);
  spikes.show(fan);
  ReportInput input = describe(job, spikes, config, counter.statistics());
  input.signature = signature.text();
  if (chip) input.hardware = chip->price();
  if (!folder->is_locked()) input.warnings.push_back(no_lock_warning(job.out));
  input.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  input.peak_memory_bytes = peak_bytes();
  if (recorder) {
    recorder->set_signature(signature.text());
    recorder->close();
  }
  RunResult result;
  result.report = make_report(std::move(input));
  reports.write(result.report, job.recording ? job.out / "trace.h5" : job.trace);
  result.folder = job.out;
  result.files = ReportFiles::names(job.chip.has_value());
  std::error_code apart;
  if (job.recording || fs::equivalent(job.trace, job.out / "trace.h5", apart))
    result.files.emplace_back("trace.h5");
  result.done = result.size = samples;
  return result;
}

}  // namespace spikeloom
