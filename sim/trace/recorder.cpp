#include "sim/trace/recorder.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "core/io/hdf5/hdf5_journal.hpp"
#include "core/io/hint.hpp"
#include "sim/trace/event_writer.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/population_writer.hpp"
#include "sim/trace/sample_table.hpp"

namespace spikeloom {
namespace {

using Clock = std::chrono::steady_clock;
using hdf5::Id;

constexpr double kEventRate = 0.02;  // below it lists are smaller than bits (docs/trace.md)
constexpr int kFlushShare = 50;      // flushing takes at most 1/50 of the time
constexpr size_t kQueueBytes = size_t{16} << 20;  // that wait to be compressed
constexpr std::chrono::seconds kFlushPause{1};
// HDF5 looks through all links of a group before it adds one, and a group's links stay in one
// header, where the reader can check them: twice the populations take four times as long (measured:
// 34 s for 6,000).
constexpr size_t kMostPopulations = 4096;

std::string link_name(std::string name) {
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

struct Recorded {
  size_t population = 0;  // index in the graph's populations
  std::string name;       // in the file
  bool events = false;    // list wanted whatever the rate
  Id activity;
  hdf5::PopulationWriter writer;
};

// Positions of `wanted` in `names`. Throws Error(kUsage) with the nearest name.
std::set<size_t> select(const std::vector<std::string>& wanted,
                        const std::vector<std::string>& names, const char* option) {
  std::set<size_t> result;
  for (const std::string& name : wanted) {
    const auto found = std::find(names.begin(), names.end(), link_name(name));
    if (found == names.end()) {
      const std::string hint = nearest(link_name(name), names);
      throw Error(ErrorCode::kUsage,
                  fmt::format("{}: no recorded layer is called '{}'{}", option, printable(name),
                              hint.empty() ? "" : fmt::format("; did you mean '{}'?", hint)));
    }
    result.insert(static_cast<size_t>(found - names.begin()));
  }
  return result;
}

std::vector<std::string> link_names(const std::vector<Population>& populations) {
  std::vector<std::string> names;
  for (const Population& population : populations) {
    names.push_back(link_name(population.name));
    if (names.back().empty() || names.back() == ".") {
      throw Error(ErrorCode::kUsage, "a layer called '" + population.name + "' cannot be recorded");
    }
  }
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      throw Error(ErrorCode::kUsage, "two layers would be recorded as '" + name + "'");
    }
  }
  return names;
}

void check_options(const RecorderOptions& options) {
  if (options.every < 1) throw Error(ErrorCode::kUsage, "trace: every must be at least 1");
  if (!(options.dt_ms > 0) || !std::isfinite(options.dt_ms)) {
    throw Error(ErrorCode::kUsage, "trace: dt must be above 0 ms");
  }
  if (options.steps_per_sample < 0 || options.steps_per_sample > UINT32_MAX) {
    throw Error(ErrorCode::kUsage, "trace: impossible steps per sample");
  }
}

}  // namespace

struct Recorder::Impl {
  Impl(const Graph& graph, RecorderOptions given)
      : options(std::move(given)),
        populations(populations_of(graph)),
        names(link_names(populations)) {
    check_options(options);
    chosen = select(options.layers, names, "trace layers");
    wanted_samples.insert(options.samples.begin(), options.samples.end());
    std::vector<std::string> kept;
    for (size_t p = 0; p < names.size(); ++p) {
      if (chosen.empty() || chosen.count(p)) kept.push_back(names[p]);
    }
    select(options.events, kept, "trace events");
    events = select(options.events, names, "trace events");
    for (const size_t p : events) {
      if (!populations[p].levels.is_signed()) continue;
      throw Error(ErrorCode::kUsage, "trace events: " + names[p] +
                                         " holds levels that can be "
                                         "negative, which an event list cannot tell");
    }
    if (kept.size() > kMostPopulations) {
      throw Error(ErrorCode::kCapacity,
                  fmt::format("a trace holds at most {} populations, this network has {}; choose "
                              "some with trace.layers",
                              kMostPopulations, kept.size()));
    }
  }

  // Apart from the constructor, so that a failure here is cleaned up by the destructor.
  void start() {
    temporary.emplace(options.path);
    guarded([&] {
      file = hdf5::create_file(*temporary, &fault);
      write_header();
      for (size_t p = 0; p < names.size(); ++p) {
        if (chosen.empty() || chosen.count(p)) add_population(p, events.count(p) != 0);
      }
    });
  }

  ~Impl() {
    if (finished) return;
    close_file();
    if (!temporary) return;
    if (options.keep_partial) {
      temporary->keep();
      return;
    }
    std::error_code ignored;
    std::filesystem::remove(hdf5::journal_of(temporary->path().string()), ignored);
  }

  bool with_steps() const { return options.every > 1 || !wanted_samples.empty(); }

  // What has failed once fails ever after, with the same error.
  template <typename F>
  void guarded(F&& write) {
    if (failure) throw *failure;
    failure = hdf5::failure_of(options.path, fault, write);
    if (failure) throw *failure;
  }

  void write_header() {
    const hid_t root = file.get();
    const int64_t magic = 0x0A7A, version[2] = {0, 1}, zero = 0;
    hdf5::write_integers(root, "magic", H5T_STD_U32LE, {&magic, 1}, true);
    hdf5::write_integers(root, "version", H5T_STD_U32LE, version, false);
    hdf5::write_text(root, "spikeloom_trace_version", "1.0");
    hdf5::write_text(root, "generator", options.generator);
    hdf5::write_text(root, "created",
                     fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))));
    hdf5::write_text(root, "run_id", options.run_id);
    hdf5::write_text(root, "config_sha256", options.config_sha256);
    hdf5::write_integers(root, "complete", H5T_STD_U8LE, {&zero, 1}, true);
    spikes = hdf5::create_group(root, "spikes");
    own = hdf5::create_group(root, "spikeloom");
    hdf5::write_integers(own.get(), "every", H5T_STD_U32LE, {&options.every, 1}, true);
    const auto count = static_cast<int64_t>(populations.size());
    hdf5::write_integers(own.get(), "n_populations", H5T_STD_U32LE, {&count, 1}, true);
    hdf5::write_text_dataset(own.get(), "config", options.config_json);
    hdf5::write_text_dataset(own.get(), "graph", options.graph_json);
    samples_group = hdf5::create_group(own.get(), "samples");
    populations_group = hdf5::create_group(own.get(), "populations");
    activity_group = hdf5::create_group(own.get(), "activity");
    samples.emplace(samples_group.get());
  }

  void add_population(size_t p, bool listed) {
    const Population& population = populations[p];
    const Id group = hdf5::create_group(populations_group.get(), names[p]);
    const int64_t neurons = element_count(population.shape), index = static_cast<int64_t>(p);
    hdf5::write_integers(group.get(), "shape", H5T_STD_I64LE, population.shape, false);
    hdf5::write_text(group.get(), "axes", population.axes);
    hdf5::write_integers(group.get(), "n_neurons", H5T_STD_U64LE, {&neurons, 1}, true);
    hdf5::write_text(group.get(), "layer", population.name);
    hdf5::write_text(group.get(), "neuron_model", population.neuron_model);
    hdf5::write_number(group.get(), "dt_ms", H5T_IEEE_F64LE, options.dt_ms);
    hdf5::write_integers(group.get(), "steps_per_sample", H5T_STD_U32LE,
                         {&options.steps_per_sample, 1}, true);
    hdf5::write_number(group.get(), "threshold", H5T_IEEE_F64LE, population.threshold);
    const LevelRange levels = population.levels;
    const bool is_levels = levels != LevelRange();
    hdf5::write_text(group.get(), "kind", is_levels ? "level" : "spike");
    if (is_levels) {
      const int64_t range[2] = {levels.low, levels.high};
      hdf5::write_integers(group.get(), "range", H5T_STD_I64LE, range, false);
    }
    hdf5::write_integers(group.get(), "index", H5T_STD_U32LE, {&index, 1}, true);
    Id activity = hdf5::create_group(activity_group.get(), names[p]);
    const hid_t where = activity.get();
    recorded.push_back(
        {p, names[p], listed, std::move(activity),
         hdf5::PopulationWriter(where, population.shape, population.levels, with_steps())});
  }

  void flush(bool final) {
    const auto start = Clock::now();
    for (Recorded& entry : recorded) entry.writer.flush(final, queue);
    queue.finish();
    samples->flush();
    hdf5::check(H5Fflush(file.get(), H5F_SCOPE_LOCAL), "flush the file");
    const auto cost = Clock::now() - start;
    next_flush = Clock::now() + std::max<Clock::duration>(kFlushPause, kFlushShare * cost);
  }

  void write_event_lists() {
    for (const Recorded& entry : recorded) {
      const double neuron_steps =
          static_cast<double>(entry.writer.rows()) * static_cast<double>(entry.writer.neurons());
      const bool quiet = static_cast<double>(entry.writer.spikes()) < kEventRate * neuron_steps;
      // A list knows how often a neuron fired, not that it took spikes away.
      if (entry.writer.levels().is_signed()) continue;
      if (!entry.events && !(options.events_auto && quiet)) continue;
      hdf5::write_events(spikes.get(), entry.name, entry.writer, *samples, with_steps(),
                         options.dt_ms, options.events_gzip, queue);
    }
  }

  // Ends all HDF5 activity; a fault on the way shows in `fault`.
  void close_file() noexcept {
    recorded.clear();
    samples.reset();
    for (Id* id : {&samples_group, &activity_group, &populations_group, &own, &spikes, &file}) {
      id->reset();
    }
  }

  void finish() {
    queue.finish();
    for (Recorded& entry : recorded) entry.writer.drop_uncommitted();
    flush(true);
    write_event_lists();
    const uint8_t one = 1;
    if (!signature.empty()) hdf5::write_text(file.get(), "signature", signature);
    if (!inputs.empty()) hdf5::write_text(file.get(), "inputs_sha256", inputs);
    const Id complete(H5Aopen(file.get(), "complete", H5P_DEFAULT), H5Aclose, "open complete");
    hdf5::check(H5Awrite(complete.get(), H5T_NATIVE_UINT8, &one), "set complete");
  }

  void publish() {
    close_file();
    if (fault.error == 0) fault.error = temporary->publish();
    finished = fault.error == 0;
  }

  RecorderOptions options;
  std::optional<TemporaryFile> temporary;
  std::vector<Population> populations;
  std::vector<std::string> names;  // in the file, by population
  std::set<size_t> chosen;         // empty: all
  std::set<size_t> events;         // lists wanted whatever the rate
  std::set<int64_t> wanted_samples;

  hdf5::WriteFault fault;
  std::optional<Error> failure;
  bool finished = false;
  Id file, own, spikes, samples_group, populations_group, activity_group;
  std::optional<hdf5::SampleWriter> samples;
  std::vector<Recorded> recorded;  // stay where they are once rows come
  BackgroundQueue queue{kQueueBytes};
  std::string signature, inputs;

  hdf5::SampleRow sample;
  bool in_sample = false, wanted = false;
  int64_t end_step = 0;  // global step after the last sample
  Clock::time_point next_flush = Clock::now() + kFlushPause;
};

Recorder::Recorder(const Graph& graph, RecorderOptions options)
    : impl_(std::make_unique<Impl>(graph, std::move(options))) {
  impl_->start();
}

Recorder::~Recorder() = default;

void Recorder::begin_sample(const SampleStart& start) {
  Impl& it = *impl_;
  if (it.in_sample || start.first_step < it.end_step) {
    throw Error(ErrorCode::kInternal, "recorder: samples overlap");
  }
  it.sample = {start.index, start.label, -1, start.first_step, 0};
  it.in_sample = true;
  it.wanted = it.wanted_samples.empty() || it.wanted_samples.count(start.index) != 0;
}

void Recorder::chunk(const SpikeChunk& chunk) {
  Impl& it = *impl_;
  if (!it.in_sample || chunk.populations.size() != it.populations.size() ||
      chunk.first_step != it.sample.steps) {
    throw Error(ErrorCode::kInternal, "recorder: a chunk out of order or of another graph");
  }
  it.sample.steps += chunk.steps;
  if (!it.wanted) return;
  it.guarded([&] {
    for (Recorded& entry : it.recorded) {
      for (int64_t t = 0; t < chunk.steps; ++t) {
        const int64_t step = chunk.first_step + t;
        if (step % it.options.every != 0) continue;
        entry.writer.add(chunk.spikes(entry.population, t), it.sample.first_step + step, it.queue);
      }
    }
  });
}

void Recorder::end_sample(const SampleEnd& end) {
  Impl& it = *impl_;
  if (!it.in_sample || end.steps != it.sample.steps) {
    throw Error(ErrorCode::kInternal, "recorder: a sample ends after other steps than it had");
  }
  it.sample.prediction = end.prediction;
  it.in_sample = false;
  it.end_step = it.sample.first_step + it.sample.steps;
  it.guarded([&] {
    it.samples->add(it.sample);
    for (Recorded& entry : it.recorded) entry.writer.commit();
    if (Clock::now() >= it.next_flush) it.flush(false);
  });
}

void Recorder::flush() {
  Impl& it = *impl_;
  if (it.in_sample) throw Error(ErrorCode::kInternal, "recorder: flushed within a sample");
  it.guarded([&] { it.flush(false); });
}

void Recorder::keep_partial() noexcept {
  impl_->options.keep_partial = true;
}

std::filesystem::path Recorder::temporary() const {
  return impl_->temporary->path();
}

void Recorder::set_signature(std::string signature) {
  impl_->signature = std::move(signature);
}

void Recorder::set_inputs(std::string sha256) {
  impl_->inputs = std::move(sha256);
}

void Recorder::close() {
  Impl& it = *impl_;
  if (it.finished) return;
  it.guarded([&] { it.finish(); });
  it.guarded([&] { it.publish(); });
}

}  // namespace spikeloom
