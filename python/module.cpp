// spikeloom._core: hands settings and arrays of Python to the library, and its results back. Nothing
// is computed here; what people see of it is in spikeloom/*.py.
//
// The GIL is released while the library works. From time to time the thread that called looks
// whether Ctrl-C was pressed, and tells how far it has come.

#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/io/hdf5/foreign_file.hpp"
#include "core/parallel.hpp"
#include "models/families.hpp"
#include "run/count_recording.hpp"
#include "run/decision_stream.hpp"
#include "run/frame_input.hpp"
#include "run/generate.hpp"
#include "run/inspect_page.hpp"
#include "run/price_trace.hpp"
#include "run/run.hpp"
#include "run/version.hpp"
#include "sim/trace/trace_file.hpp"

namespace py = pybind11;

namespace spikeloom {
namespace {

using Words = std::vector<std::string>;

// Names and lines may quote files, which are not always UTF-8.
py::str text(const std::string& bytes) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace"));
}

py::list texts(const Words& words) {
  py::list told;
  for (const std::string& word : words) told.append(text(word));
  return told;
}

// An exception of spikeloom/_errors.py.
void raise(const Error& error) {
  const ErrorPlace& place = error.place();
  const py::object made =
      py::module_::import("spikeloom._errors")
          .attr("made")(static_cast<int>(error.code()), text(error.what()), py::bytes(place.file),
                        place.line, place.column, py::bytes(place.key), py::bytes(place.node));
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
}

// Asks Python now and then, while the library works without the GIL. What was raised, by Ctrl-C or
// by a callback, cancels and waits for the end.
class Watch {
 public:
  explicit Watch(CancelToken cancel, py::object progress = py::none())
      : cancel_(std::move(cancel)), progress_(std::move(progress)) {}

  Observer observer() {
    return {[this](const Progress& state) { look(state); }, {}};
  }
  // With the GIL, inside a call of the library. False: something was raised.
  template <class Call>
  bool guarded(const Call& call) {
    if (raised_) return false;
    try {
      call();
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    } catch (py::error_already_set& error) {
      raised_.emplace(std::move(error));
      cancel_.cancel();
    }
    return !raised_;
  }
  // Calls the library without the GIL; then what was raised meanwhile goes on, whatever it returned.
  template <class Work>
  auto during(const Work& work) {
    try {
      auto result = [&] {
        const py::gil_scoped_release release;
        return work();
      }();
      go_on();
      return result;
    } catch (const Error&) {
      go_on();
      throw;
    }
  }

 private:
  void go_on() {
    if (!raised_) return;
    py::error_already_set error = std::move(*raised_);
    raised_.reset();
    throw error;
  }
  void look(const Progress& state) {
    constexpr std::chrono::milliseconds kBetween(50);
    const auto now = std::chrono::steady_clock::now();
    const bool ended = state.total > 0 && state.done == state.total;
    if (raised_ || (now - last_ < kBetween && !(ended && !progress_.is_none()))) return;
    last_ = now;
    const py::gil_scoped_acquire gil;
    guarded([&] {
      if (!progress_.is_none())
        progress_(std::string(state.stage), state.done, state.total, state.note);
    });
  }

  CancelToken cancel_;
  py::object progress_;
  std::optional<py::error_already_set> raised_;
  std::chrono::steady_clock::time_point last_{};
};

// An array as it lies in memory, in C or Fortran order; it lives as long as the argument.
NpyMemory memory_of(const py::array& array, std::string name) {
  const Shape shape(array.shape(), array.shape() + array.ndim());
  const bool c = (array.flags() & py::array::c_style) != 0;
  return {
      std::move(name), array.dtype().attr("str").cast<std::string>(), !c, shape,
      std::span(static_cast<const std::byte*>(array.data()), static_cast<size_t>(array.nbytes()))};
}

// What an experiment is made of: the tables as JSON, or a file; then "key=value" on top.
struct Source {
  std::string tables, file;
  Words sets;
  std::optional<py::array> samples, labels;

  Config config() const try {
    Config config = file.empty() ? Config::of(nlohmann::json::parse(tables)) : Config::load(file);
    for (const std::string& set : sets) config.set(set);
    return config;
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kUsage, error.what());
  }
  // Where no data set is named, and none needed, samples that are still to come stand for it.
  Experiment experiment() const {
    Config read = config();
    // Files are read without the GIL.
    const auto quietly = [&](const auto& make) {
      const py::gil_scoped_release release;
      return make();
    };
    if (samples) {
      NpyMemory labelled;
      if (labels) labelled = memory_of(*labels, "array labels");
      NpyMemory values = memory_of(*samples, "array x");
      return quietly([&] {
        return read_experiment(std::move(read), std::move(values), labels ? &labelled : nullptr);
      });
    }
    return quietly([&] {
      if (read.has("dataset.kind") || read.has("dataset.path"))
        return read_experiment(std::move(read));
      return read_experiment(std::move(read), {"array x", "<f4", false, {0}, {}}, nullptr);
    });
  }
};

CpuOptions cpu_options(const Words& words) {
  return {words.at(0), words.at(1), words.at(2), words.at(3)};
}

py::dict told_of(const RunResult& result) {
  py::dict told;
  told["folder"] = result.folder.string();
  told["files"] = texts(result.files);
  told["notes"] = texts(result.notes);
  told["unit"] = result.unit;
  told["done"] = result.done;
  told["size"] = result.size;
  told["cancelled"] = result.cancelled;
  return told;
}

py::dict run(const Source& source, const std::string& folder, bool resume, const Words& cpu,
             const py::object& progress, const CancelToken& cancel) {
  const Experiment experiment = source.experiment();
  Watch watch(cancel, progress);
  RunOptions options;
  options.resume = resume;
  options.folder = folder;
  options.cpu = cpu_options(cpu);
  options.observer = watch.observer();
  options.cancel = cancel;
  return told_of(watch.during([&] { return run_experiment(experiment, options); }));
}

// A trace, or a network and its spikes, that were recorded before.
py::dict count(const std::string& trace, const std::string& network, const std::string& spikes,
               const std::string& out, const std::string& chip, bool host,
               const std::optional<std::string>& trained, int threads, const py::object& progress,
               const CancelToken& cancel) {
  RecordingCount job;
  if (network.empty()) {
    job.trace = trace_in(trace);
  } else {
    job.recording = RecordingFiles{{network}, spikes, {}, 0, 0};
  }
  job.out = out;
  if (!chip.empty()) {
    job.chip.emplace();
    job.chip->name = chip;
    job.chip->host = host;
  }
  job.weights_trained = trained.has_value();
  job.weights_text = trained.value_or("");
  job.threads = threads > 0 ? threads : available_threads();
  job.cancel = cancel;
  Watch watch(cancel, progress);
  job.observer = watch.observer();
  return told_of(watch.during([&] { return count_recording(job); }));
}

struct ChipSettings {
  std::string trace, network, spikes;
  Words chips, sets, dense;
  std::vector<std::pair<std::string, Words>> sweep;
  double mapper_budget_s = MapperOptions().budget_s;
  std::string mapping, save_mapping, mapper, level, update, html, counters, timeline;
  bool host = false, check = false, in_turn = false;
  int64_t weight_bits = 8, value_bits = 32, samples = 0, steps = 0, threads = 0;
  double dt = 0;
};

template <class E, size_t N>
E named(const char* const (&names)[N], const std::string& name, const char* what) {
  std::string known;
  for (size_t i = 0; i < N; ++i) {
    if (name == names[i]) return static_cast<E>(i);
    known += (i == 0 ? "" : ", ") + std::string(names[i]);
  }
  throw Error(ErrorCode::kUsage,
              std::string(what) + ": expected one of " + known + ", found '" + name + "'",
              {"", 0, 0, what, ""});
}

int64_t in_range(const char* what, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return value;
  throw Error(ErrorCode::kUsage,
              std::string(what) + ": expected " + std::to_string(least) + " to " +
                  std::to_string(most) + ", found " + std::to_string(value),
              {"", 0, 0, what, ""});
}

TracePricing pricing_of(const ChipSettings& s) {
  TracePricing pricing;
  ChipJob& job = pricing.job;
  if (s.network.empty()) {
    job.trace = trace_in(s.trace);
  } else {
    pricing.recording = RecordingFiles{{s.network}, s.spikes, {}, s.dt, s.steps};
  }
  for (const std::string& set : s.sets) {
    const bool of_network = pricing.recording && set.starts_with("model.");
    (of_network ? pricing.recording->sets : job.sets).push_back(set);
  }
  pricing.chips = s.chips;
  pricing.dense = s.dense;
  pricing.sweep = s.sweep;
  job.mapping = s.mapping;
  job.save_mapping = s.save_mapping;
  job.mapper = named<Mapper>(kMapperNames, s.mapper, "mapper");
  job.mapper_budget_s = s.mapper_budget_s;
  job.level = named<Level>(kLevelNames, s.level, "level");
  job.lower.update = named<UpdateRule>(kUpdateRuleNames, s.update, "update");
  job.html = s.html;
  job.counters = s.counters;
  job.timeline = s.timeline;
  job.timeline_steps = 8;
  job.host = s.host;
  job.check = s.check;
  job.in_turn = s.in_turn;
  job.lower.weight_bits = in_range("weight_bits", s.weight_bits, 1, 64);
  job.lower.value_bits = in_range("value_bits", s.value_bits, 1, 64);
  job.samples = in_range("samples", s.samples, 0, int64_t{1} << 40);
  job.threads = static_cast<int>(in_range("threads", s.threads, 0, 4096));
  if (job.threads == 0) job.threads = available_threads();
  if (pricing.chips.empty())
    throw Error(ErrorCode::kUsage, "chips: none is named", {"", 0, 0, "chips", ""});
  if (pricing.combinations() > kMostChipRuns)
    throw Error(ErrorCode::kUsage, "more than " + std::to_string(kMostChipRuns) + " combinations");
  if (pricing.combinations() > 1 && (job.writes() || !job.mapping.empty()))
    throw Error(
        ErrorCode::kUsage,
        "mapping, save_mapping, html, counters and timeline go with one chip and one setting");
  return pricing;
}

py::dict price(const ChipSettings& settings, const py::object& progress) {
  TracePricing pricing = pricing_of(settings);
  Watch watch(CancelToken(), progress);
  pricing.observer = watch.observer();
  const PricedTrace priced = watch.during([&] { return price_trace(pricing); });
  py::dict told;
  told["json"] = text(chip_json(priced.report));
  told["csv"] = text(chip_csv(priced.report));
  told["sweep"] = text(priced.report.runs.size() > 1 ? sweep_csv(priced.report) : "");
  told["table"] = text(chip_table(priced.report, 99));
  told["warnings"] = texts(priced.warnings);
  return told;
}

// A trace, for one thread at a time.
class Trace {
  template <class Work>
  auto quietly(const Work& work) {
    const py::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    return work();
  }

 public:
  explicit Trace(const std::string& path) : file_(open_trace(path)) {}

  py::dict header() const {
    const TraceHeader& h = file_.header();
    py::dict told;
    told["version"] = text(h.version);
    told["generator"] = text(h.generator);
    told["created"] = text(h.created);
    told["run_id"] = text(h.run_id);
    told["signature"] = text(h.signature);
    told["complete"] = h.complete;
    told["partial"] = file_.is_partial();
    told["warning"] = text(file_.warning());
    return told;
  }
  py::list populations() const {
    py::list told;
    for (const TracePopulation& p : file_.populations()) {
      py::dict row;
      row["name"] = text(p.name);
      row["layer"] = text(p.layer);
      row["shape"] = p.shape;
      row["axes"] = p.axes;
      row["neurons"] = p.neurons;
      row["low"] = p.levels.low;
      row["high"] = p.levels.high;
      row["rows"] = p.rows;
      row["neuron_model"] = text(p.neuron_model);
      row["threshold"] = p.threshold;
      row["dt_ms"] = p.dt_ms;
      row["events"] = p.events;
      row["fault"] = text(p.fault);
      told.append(row);
    }
    return told;
  }
  // A row for each sample: index, label, prediction, first step, steps.
  py::array_t<int64_t> samples() const {
    const auto& samples = file_.samples();
    py::array_t<int64_t> told({static_cast<py::ssize_t>(samples.size()), py::ssize_t{5}});
    int64_t* to = told.mutable_data();
    for (const TraceSample& s : samples) {
      for (const int64_t value : {s.index, s.label, s.prediction, s.first_step, s.steps})
        *to++ = value;
    }
    return told;
  }
  // Of every row: the place of its sample among samples(), and its step in it.
  py::array_t<int64_t> rows(const std::string& population) {
    const std::vector<TraceRow> rows = quietly([&] { return file_.rows(file_.at(population)); });
    py::array_t<int64_t> told({static_cast<py::ssize_t>(rows.size()), py::ssize_t{2}});
    int64_t* to = told.mutable_data();
    for (const TraceRow& row : rows) {
      *to++ = row.sample;
      *to++ = row.step;
    }
    return told;
  }
  py::array popcounts(const std::string& population) {
    const auto counts = quietly([&] { return file_.popcounts(file_.at(population)); });
    return py::array_t<uint32_t>(static_cast<py::ssize_t>(counts.size()), counts.data());
  }
  // Rows [first, first + count), neurons as stored: channels last.
  py::array read(const std::string& population, int64_t first, int64_t count) {
    const size_t at = quietly([&] { return file_.at(population); });
    const TracePopulation& p = file_.populations()[at];
    if (first < 0 || count < 0 || first > p.rows - count)
      throw py::index_error(population + " has " + std::to_string(p.rows) + " rows");
    if (p.levels == LevelRange()) return values<bool>(at, first, count);
    const int64_t largest = p.levels.largest();
    if (largest <= INT8_MAX) return values<int8_t>(at, first, count);
    if (largest <= INT16_MAX) return values<int16_t>(at, first, count);
    return values<int32_t>(at, first, count);
  }
  std::string graph() {
    return quietly([&] { return file_.graph_json(); });
  }
  std::string config() {
    return quietly([&] { return file_.config_json(); });
  }

 private:
  template <class T>
  py::array values(size_t at, int64_t first, int64_t count) {
    const TracePopulation& p = file_.populations()[at];
    std::vector<py::ssize_t> shape{count};
    shape.insert(shape.end(), p.shape.begin(), p.shape.end());
    py::array_t<T> told(shape);
    T* to = told.mutable_data();
    quietly([&] {
      std::fill(to, to + count * p.neurons, T{});
      const int64_t block = file_.block_rows(at), bytes = packed_bytes(p.bits());
      for (int64_t row = 0; row < count; row += block) {
        const int64_t held = std::min(block, count - row);
        const std::vector<uint8_t> bits = file_.bits(at, first + row, held);
        for (int64_t i = 0; i < held; ++i) {
          T* const out = to + (row + i) * p.neurons;
          for_each_level(
              std::span(bits).subspan(static_cast<size_t>(i * bytes), static_cast<size_t>(bytes)),
              p.neurons, p.levels,
              [&](int64_t neuron, int64_t level) { out[neuron] = static_cast<T>(level); });
        }
      }
      return 0;
    });
    return told;
  }

  std::mutex mutex_;
  TraceFile file_;
};

// A network fed frame by frame, by the caller or from a file.
class Stream {
  template <class Work>
  py::object step(const Work& work) {
    std::optional<DecisionStep> now;
    {
      const py::gil_scoped_release release;
      const std::lock_guard lock(mutex_);
      now = work();
    }
    if (!now) return py::none();
    py::dict told;
    told["step"] = now->step;
    told["answer"] = now->answer;
    told["probability"] = now->probability;
    told["same_since"] = now->same_since;
    told["computed_ms"] = now->computed_ms;
    told["decided"] = now->decided;
    return told;
  }

 public:
  Stream(const Source& source, const std::string& path, double decide, const Words& cpu) {
    Experiment experiment = source.experiment();
    const py::gil_scoped_release release;
    input_ = path.empty() ? open_frames(std::move(experiment))
                          : open_frames(std::move(experiment), path);
    decisions_.emplace(input_.experiment, input_.network, decide, cpu_options(cpu));
  }
  py::object feed(const py::array_t<float, py::array::c_style | py::array::forcecast>& frame) {
    Tensor values(decisions_->frame_shape());
    if (frame.size() != values.size()) {
      throw Error(ErrorCode::kData, "a frame has " + std::to_string(frame.size()) +
                                        " values, the network reads " +
                                        std::to_string(values.size()));
    }
    std::copy_n(frame.data(), frame.size(), values.f32().data());
    return step([&] { return decisions_->feed(values); });
  }
  // The next frame of the file; False at its end.
  py::object next() {
    Tensor values(decisions_->frame_shape());
    bool there = false;
    {
      const py::gil_scoped_release release;
      const std::lock_guard lock(mutex_);
      there = input_.next(values);
    }
    if (!there) return py::bool_(false);
    return step([&] { return decisions_->feed(values); });
  }
  py::object drain() {
    return step([&] { return decisions_->drain(); });
  }
  int64_t look_ahead() const { return decisions_->look_ahead(); }
  int64_t frames() const { return decisions_->frames(); }
  const Shape& frame_shape() const { return decisions_->frame_shape(); }
  py::list notes() const {
    Words notes = input_.network.notes;
    if (input_.notes && decisions_->frames() > 0) {
      const Words more = input_.notes();
      notes.insert(notes.end(), more.begin(), more.end());
    }
    return texts(notes);
  }

 private:
  std::mutex mutex_;
  FrameInput input_;
  std::optional<DecisionStream> decisions_;
};

// `weights`: a checkpoint of the usual family, in the place of an experiment.
struct GenerateSettings {
  std::string weights, vocab, state;
  std::string prompt;
  std::optional<std::vector<int32_t>> ids;
  int64_t tokens = 100;
  double temperature = 1, top_p = 0.7, top_p_newline = 0.9;
  int64_t seed = 0;
};

void check_real(const char* what, double value, double least, double most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCode::kUsage, std::string(what) + ": outside its range", {"", 0, 0, what, ""});
}

std::string generate_text(const Source& source, const GenerateSettings& s, const Words& cpu,
                          const py::function& made, const CancelToken& cancel) {
  GenerateRequest request;
  if (s.weights.empty()) {
    request.network = source.experiment();
    if (!request.network.reads_tokens())
      throw request.network.error_at("model.family", "reads no tokens");
  } else {
    request.network.model.family = &usual_token_family();
    request.network.model.spec = request.network.model.family->start("");
    request.network.weights.path = s.weights;
    request.network.run.threads = available_threads();
  }
  if (!s.vocab.empty()) request.network.tokens.vocab = s.vocab;
  check_real("temperature", s.temperature, 1e-3, 1e3);
  check_real("top_p", s.top_p, 0, 1);
  check_real("top_p_newline", s.top_p_newline, 0, 1);
  request.prompt = s.prompt;
  if (s.ids) {
    request.ids = [&](int64_t vocabulary) {
      for (size_t i = 0; i < s.ids->size(); ++i) checked_token((*s.ids)[i], vocabulary, i, "ids");
      return *s.ids;
    };
  }
  request.state = s.state;
  request.tokens = in_range("tokens", s.tokens, 1, int64_t{1} << 40);
  request.sampling = {s.temperature, s.top_p,
                      static_cast<uint64_t>(in_range("seed", s.seed, 0, INT64_MAX))};
  request.top_p_newline = s.top_p_newline;
  request.cpu = cpu_options(cpu);
  request.cancel = cancel;
  Watch watch(cancel);
  request.made = [&](const std::string& bytes) {
    const py::gil_scoped_acquire gil;
    watch.guarded([&] { made(py::bytes(bytes)); });
  };
  const GeneratedText made_text = watch.during([&] { return generate(request); });
  return to_json(made_text, request.sampling.seed).dump();
}

template <class T, class Value>
void settings(py::class_<T>& type, const char* name, Value T::*field) {
  type.def_readwrite(name, field);
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The library behind the package: see spikeloom's documentation for what to call.";
  module.attr("version") = kVersion;
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Error& error) {
      raise(error);
    } catch (const std::filesystem::filesystem_error& error) {
      raise(Error(ErrorCode::kRuntime, error.what()));
    }
  });
  py::class_<CancelToken>(module, "CancelToken")
      .def(py::init<>())
      .def("cancel", &CancelToken::cancel)
      .def_property_readonly("cancelled", &CancelToken::cancelled);
  py::class_<Source>(module, "Source")
      .def(py::init<std::string, std::string, Words, std::optional<py::array>,
                    std::optional<py::array>>(),
           py::arg("tables"), py::arg("file"), py::arg("sets"), py::arg("samples") = py::none(),
           py::arg("labels") = py::none())
      .def("check", [](const Source& source) { (void)source.experiment(); })
      .def("config", [](const Source& source) { return stated(source.experiment()).dump(); })
      .def("says",
           [](const Source& source, const std::string& key) { return source.config().has(key); });
  py::class_<ChipSettings> chip(module, "ChipSettings");
  chip.def(py::init<>());
  settings(chip, "trace", &ChipSettings::trace);
  settings(chip, "network", &ChipSettings::network);
  settings(chip, "spikes", &ChipSettings::spikes);
  settings(chip, "chips", &ChipSettings::chips);
  settings(chip, "sets", &ChipSettings::sets);
  settings(chip, "dense", &ChipSettings::dense);
  settings(chip, "sweep", &ChipSettings::sweep);
  settings(chip, "mapping", &ChipSettings::mapping);
  settings(chip, "save_mapping", &ChipSettings::save_mapping);
  settings(chip, "mapper", &ChipSettings::mapper);
  settings(chip, "mapper_budget", &ChipSettings::mapper_budget_s);
  settings(chip, "level", &ChipSettings::level);
  settings(chip, "update", &ChipSettings::update);
  settings(chip, "html", &ChipSettings::html);
  settings(chip, "counters", &ChipSettings::counters);
  settings(chip, "timeline", &ChipSettings::timeline);
  settings(chip, "host", &ChipSettings::host);
  settings(chip, "check", &ChipSettings::check);
  settings(chip, "in_turn", &ChipSettings::in_turn);
  settings(chip, "weight_bits", &ChipSettings::weight_bits);
  settings(chip, "value_bits", &ChipSettings::value_bits);
  settings(chip, "samples", &ChipSettings::samples);
  settings(chip, "steps", &ChipSettings::steps);
  settings(chip, "threads", &ChipSettings::threads);
  settings(chip, "dt", &ChipSettings::dt);
  py::class_<GenerateSettings> generation(module, "GenerateSettings");
  generation.def(py::init<>());
  settings(generation, "weights", &GenerateSettings::weights);
  settings(generation, "vocab", &GenerateSettings::vocab);
  settings(generation, "state", &GenerateSettings::state);
  settings(generation, "prompt", &GenerateSettings::prompt);
  settings(generation, "ids", &GenerateSettings::ids);
  settings(generation, "tokens", &GenerateSettings::tokens);
  settings(generation, "temperature", &GenerateSettings::temperature);
  settings(generation, "top_p", &GenerateSettings::top_p);
  settings(generation, "top_p_newline", &GenerateSettings::top_p_newline);
  settings(generation, "seed", &GenerateSettings::seed);
  py::class_<Trace>(module, "Trace")
      .def(py::init<const std::string&>())
      .def("header", &Trace::header)
      .def("populations", &Trace::populations)
      .def("samples", &Trace::samples)
      .def("rows", &Trace::rows)
      .def("popcounts", &Trace::popcounts)
      .def("read", &Trace::read)
      .def("graph", &Trace::graph)
      .def("config", &Trace::config);
  py::class_<Stream>(module, "Stream")
      .def(py::init<const Source&, const std::string&, double, const Words&>())
      .def("feed", &Stream::feed)
      .def("next", &Stream::next)
      .def("drain", &Stream::drain)
      .def("notes", &Stream::notes)
      .def_property_readonly("look_ahead", &Stream::look_ahead)
      .def_property_readonly("frames", &Stream::frames)
      .def_property_readonly("frame_shape", &Stream::frame_shape);
  module.def("run", &run);
  module.def("count", &count);
  module.def("price", &price);
  module.def("generate", &generate_text);
  module.def("write_page", &write_inspect_page, py::call_guard<py::gil_scoped_release>());
  module.def("use_foreign_reader",
             [](const std::string& program) { hdf5::use_foreign_reader(program); });
}

}  // namespace spikeloom
