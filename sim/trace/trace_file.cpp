#include "sim/trace/trace_file.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <system_error>

#include "core/bit_packing.hpp"
#include "core/error.hpp"
#include "core/io/hdf5/hdf5_journal.hpp"
#include "core/io/hint.hpp"
#include "sim/trace/sample_table.hpp"
#include "sim/trace/trace_source.hpp"

namespace spikeloom {
namespace {

using hdf5::RowSource;
using hdf5::TraceSource;

// Zeros compress a thousandfold, so these, rather than the size of the file, bound the memory of a
// reader: 128 MiB for a count per neuron or per step, 256 MiB for the places of all rows.
constexpr int64_t kMaxNeurons = int64_t{1} << 24;
constexpr int64_t kMaxRows = int64_t{1} << 24;
constexpr int64_t kMaxSteps = int64_t{1} << 24;  // of one sample
constexpr int64_t kBlockBytes = 1 << 20;

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorCode::kData, what);
}

template <typename T>
T need(std::optional<T> value, const std::string& attribute) {
  if (!value) damaged("attribute " + attribute + " is missing");
  return *std::move(value);
}

int64_t need_integer(const TraceSource& source, const std::string& path,
                     const std::string& attribute) {
  const auto values = need(source.integers(path, attribute), attribute);
  if (values.size() != 1) damaged("attribute " + attribute + " is no single number");
  return values[0];
}

int64_t integer_or(const TraceSource& source, const std::string& path, const std::string& attribute,
                   int64_t absent) {
  return source.integers(path, attribute) ? need_integer(source, path, attribute) : absent;
}

// Of levels "range" tells what they may be; a population without it holds spikes.
LevelRange read_range(const TraceSource& source, const std::string& path) {
  const auto range = source.integers(path, "range");
  if (!range) return {};
  if (range->size() != 2) damaged("attribute range is no pair");
  const LevelRange levels{range->front(), range->back()};
  if (levels.low > 0 || levels.high < 0 || levels.low < -kMostLevel || levels.high > kMostLevel ||
      levels.largest() == 0) {
    damaged("impossible range of levels " + to_string(Shape{levels.low, levels.high}));
  }
  return levels;
}

// The attributes of /spikeloom/populations/<name>.
// `whole`: none may be missing but the range.
void read_attributes(const TraceSource& source, TracePopulation& population, bool whole) {
  const std::string path = "/spikeloom/populations/" + population.name;
  if (whole) {
    for (const char* name : {"axes", "layer", "neuron_model"}) need(source.text(path, name), name);
    for (const char* name : {"n_neurons", "index", "steps_per_sample"})
      need(source.integers(path, name), name);
    need(source.number(path, "threshold", true), "threshold");
    need(source.number(path, "dt_ms"), "dt_ms");
  }
  population.shape = need(source.integers(path, "shape"), "shape");
  const size_t rank = population.shape.size();
  static constexpr std::array<const char*, 3> kAxes = {"C", "N,C", "H,W,C"};
  const char* axes = rank < 1 || rank > 3 ? "" : kAxes[rank - 1];
  // Other writers tell the shape alone.
  population.axes = source.text(path, "axes").value_or(axes);
  population.index = integer_or(source, path, "index", INT64_MAX);
  population.layer = source.text(path, "layer").value_or(population.name);
  population.neuron_model = source.text(path, "neuron_model").value_or("neuron");
  population.threshold = source.number(path, "threshold", true).value_or(std::nan(""));
  population.dt_ms = source.number(path, "dt_ms").value_or(1);
  population.steps_per_sample = integer_or(source, path, "steps_per_sample", 0);
  if (*axes == 0 || population.axes != axes) {
    damaged("axes " + printable(population.axes) + " do not fit shape " +
            to_string(population.shape));
  }
  if (std::any_of(population.shape.begin(), population.shape.end(),
                  [](int64_t n) { return n < 1; })) {
    damaged("impossible shape " + to_string(population.shape));
  }
  const int64_t neurons = element_count(population.shape);
  population.neurons = integer_or(source, path, "n_neurons", neurons);
  if (population.neurons != neurons) damaged("n_neurons is not shape");
  if (population.neurons > kMaxNeurons) damaged("more than 2^24 neurons");
  population.levels = read_range(source, path);
  if (!(population.dt_ms > 0)) damaged("dt_ms is not above 0");
}

// Data of one population; opened once.
struct Datasets {
  RowSource bits, popcount, steps, times, nodes;
};

// The counts of rows that a writer left out.
void count_rows(const Datasets& data, const TracePopulation& population,
                std::vector<uint32_t>& counts) {
  const int64_t bytes = packed_bytes(population.bits());
  const int64_t block = std::max<int64_t>(1, kBlockBytes / std::max<int64_t>(1, bytes));
  const auto all = static_cast<int64_t>(counts.size());
  for (int64_t row = 0; row < all; row += block) {
    const int64_t rows = std::min(block, all - row);
    std::vector<uint8_t> packed(static_cast<size_t>(rows * bytes));
    data.bits.read(row, rows, packed.data());
    for (int64_t r = 0; r < rows; ++r) {
      const std::span<const uint8_t> one(packed.data() + r * bytes, static_cast<size_t>(bytes));
      counts[static_cast<size_t>(row + r)] =
          static_cast<uint32_t>(count_packed_levels(one, population.neurons, population.levels));
    }
  }
}

}  // namespace

struct TraceFile::Impl {
  explicit Impl(const std::filesystem::path& given) : path(given), source(given) {
    read_header();
    read_sample_table();
    for (const std::string& name : source.children("/spikeloom/populations")) add_population(name);
    if (!source.has("/spikeloom/samples")) add_only_sample();
    sort_populations();
  }

  void read_header() {
    const auto text = [&](const char* name) { return source.text("/", name).value_or(""); };
    header.version = text("spikeloom_trace_version");
    if (header.version.empty()) damaged("no trace: spikeloom_trace_version is missing");
    if (!header.version.starts_with("1.")) {
      damaged("trace version " + printable(header.version) + ", this program reads 1.x");
    }
    header.generator = text("generator");
    header.created = text("created");
    header.run_id = text("run_id");
    header.config_sha256 = text("config_sha256");
    header.signature = text("signature");
    header.complete = source.integers("/", "complete").value_or(std::vector<int64_t>{0})[0] == 1;
  }

  // Others may leave out what follows; from a trace of this engine it was lost.
  bool is_own() const { return header.generator.starts_with("spikeloom "); }

  // Without a table all rows are those of one sample.
  void add_only_sample() {
    int64_t rows = 0;
    for (const TracePopulation& population : populations) rows = std::max(rows, population.rows);
    if (rows > 0) samples.push_back({0, -1, -1, 0, rows});
  }

  void read_sample_table() {
    if (!is_own() && !source.has("/spikeloom/samples")) return;
    for (const hdf5::SampleRow& row : hdf5::read_samples(source, is_own())) {
      samples.push_back({row.index, row.label, row.prediction, row.first_step, row.steps});
    }
    int64_t end = 0;
    for (const TraceSample& sample : samples) {
      if (sample.steps > kMaxSteps) damaged("samples: more than 2^24 steps");
      if (sample.index < 0 || sample.steps < 0 || sample.first_step < end ||
          sample.first_step > INT64_MAX - sample.steps) {
        damaged("samples: the steps are not in order");
      }
      end = sample.first_step + sample.steps;
    }
  }

  void add_population(const std::string& name) {
    TracePopulation population;
    Datasets data;
    population.name = name;
    population.index = INT64_MAX;
    try {
      read_attributes(source, population, is_own());
      open_activity(population, data);
      open_events(population, data);
    } catch (const Error& error) {
      population.fault = error.what();
    }
    populations.push_back(std::move(population));
    datasets.push_back(std::move(data));
  }

  void open_activity(TracePopulation& population, Datasets& data) {
    const std::string where = "/spikeloom/activity/" + population.name + "/";
    // A run killed before its first flush has no datasets yet.
    if (!header.complete && !source.has(where + "bits")) return;
    data.bits = source.rows(where + "bits", H5T_INTEGER, 1);
    population.rows = data.bits.rows();
    if (is_own() || source.has(where + "popcount")) {
      data.popcount = source.rows(where + "popcount", H5T_INTEGER, 4);
      population.rows = std::min(population.rows, data.popcount.rows());
    }
    if (data.bits.width() != packed_bytes(population.bits()) || data.popcount.width() != 0) {
      damaged("bits or popcount has another extent than the shape asks for");
    }
    if (source.has(where + "steps")) {
      data.steps = source.rows(where + "steps", H5T_INTEGER, 8);
      if (data.steps.width() != 0) damaged("steps is no list");
      population.rows = std::min(population.rows, data.steps.rows());
    } else if (!header.complete) {  // rows of a sample that was under way
      int64_t steps = 0;
      for (const TraceSample& sample : samples) steps += sample.steps;
      population.rows = std::min(population.rows, steps);
    }
    if (population.rows > kMaxRows) damaged("more than 2^24 rows");
    const int64_t most = std::max({data.bits.rows(), data.popcount.rows(), data.steps.rows()});
    if (header.complete && most != population.rows) {
      damaged("bits, popcount and steps differ in length");
    }
  }

  void open_events(TracePopulation& population, Datasets& data) {
    const std::string where = "/spikes/" + population.name;
    if (!source.has(where)) return;
    data.times = source.rows(where + "/timestamps", H5T_FLOAT, 8);
    data.nodes = source.rows(where + "/node_ids", H5T_INTEGER, 8);
    if (data.times.width() != 0 || data.nodes.width() != 0 ||
        data.times.rows() != data.nodes.rows()) {
      damaged("timestamps and node_ids differ in length");
    }
    population.events = data.times.rows();
  }

  // From order of names to order of the graph.
  void sort_populations() {
    std::vector<size_t> order(populations.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return populations[a].index < populations[b].index;
    });
    std::vector<TracePopulation> sorted;
    std::vector<Datasets> sorted_data;
    for (const size_t i : order) {
      sorted.push_back(std::move(populations[i]));
      sorted_data.push_back(std::move(datasets[i]));
    }
    populations = std::move(sorted);
    datasets = std::move(sorted_data);
  }

  // Runs a read; errors name the file and the population.
  template <typename F>
  auto reading(size_t population, F&& read) const {
    const TracePopulation& entry = populations.at(population);
    try {
      const hdf5::Entry inside = hdf5::enter();
      if (!entry.fault.empty()) damaged(entry.fault);
      return read(datasets[population]);
    } catch (const Error& error) {
      throw error.in(printable(entry.name)).in_file(path);
    }
  }

  std::filesystem::path path;
  TraceSource source;
  TraceHeader header;
  std::vector<TracePopulation> populations;
  std::vector<Datasets> datasets;
  std::vector<TraceSample> samples;
};

void settle_trace(const std::filesystem::path& temporary) {
  const int error = hdf5::settle(temporary.string());
  if (error == 0) return;
  throw Error(ErrorCode::kRuntime, temporary.string() + ": cannot be brought in order: " +
                                       std::generic_category().message(error));
}

TraceFile::TraceFile(const std::filesystem::path& path) {
  try {
    const hdf5::Entry inside = hdf5::enter();
    impl_ = std::make_unique<Impl>(path);
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

TraceFile::~TraceFile() = default;
TraceFile::TraceFile(TraceFile&&) noexcept = default;

const TraceHeader& TraceFile::header() const noexcept {
  return impl_->header;
}
const std::vector<TracePopulation>& TraceFile::populations() const noexcept {
  return impl_->populations;
}
const std::vector<TraceSample>& TraceFile::samples() const noexcept {
  return impl_->samples;
}
const std::filesystem::path& TraceFile::path() const noexcept {
  return impl_->path;
}

std::string TraceFile::warning() const {
  if (impl_->header.complete) return "";
  return "the run that wrote this file did not end in order: it holds what was recorded up to the "
         "last flush, "
         "event lists and signature are missing";
}

std::optional<size_t> TraceFile::find(std::string_view population) const {
  for (size_t p = 0; p < impl_->populations.size(); ++p) {
    if (impl_->populations[p].name == population || impl_->populations[p].layer == population)
      return p;
  }
  return std::nullopt;
}

size_t TraceFile::at(std::string_view population) const {
  if (const auto found = find(population)) return *found;
  std::vector<std::string> names;
  for (const TracePopulation& entry : impl_->populations) names.push_back(entry.name);
  const std::string hint = nearest(population, names);
  throw Error(ErrorCode::kUsage, impl_->path.string() + ": no population '" +
                                     printable(population) + "'" +
                                     (hint.empty() ? "" : "; did you mean '" + hint + "'?"));
}

bool TraceFile::is_partial() const noexcept {
  return std::any_of(impl_->datasets.begin(), impl_->datasets.end(),
                     [](const Datasets& data) { return static_cast<bool>(data.steps); });
}

bool TraceFile::has_all_populations() const noexcept {
  const auto count = impl_->populations.size();
  for (size_t p = 0; p < count; ++p) {
    if (impl_->populations[p].index != static_cast<int64_t>(p)) return false;
  }
  try {
    const hdf5::Entry inside = hdf5::enter();
    return need_integer(impl_->source, "/spikeloom", "n_populations") ==
           static_cast<int64_t>(count);
  } catch (const Error&) {
    return false;
  }
}

std::vector<uint8_t> TraceFile::bits(size_t population, int64_t row, int64_t rows) const {
  return impl_->reading(population, [&](const Datasets& data) {
    const int64_t all = impl_->populations[population].rows;
    if (row < 0 || rows < 0 || rows > all || row > all - rows) {
      throw Error(ErrorCode::kUsage, "row " + std::to_string(row) + " of " + std::to_string(all));
    }
    std::vector<uint8_t> packed(static_cast<size_t>(rows * data.bits.width()));
    if (rows > 0) data.bits.read(row, rows, packed.data());
    return packed;
  });
}

SpikeTensor TraceFile::read(size_t population, int64_t row) const {
  const std::vector<uint8_t> packed = bits(population, row);
  const Shape& shape = impl_->populations[population].shape;
  const int64_t planes = impl_->populations[population].levels.planes();
  SpikeTensor result(element_count(shape) / shape.back() * planes, shape.back());
  unpack_bits(packed, result.view());
  if (result.view().count() != count_packed(packed)) {
    throw Error(ErrorCode::kData, impl_->path.string() + ": " +
                                      impl_->populations[population].name + ": pad bits of row " +
                                      std::to_string(row) + " are set");
  }
  return result;
}

int64_t TraceFile::block_rows(size_t population) const {
  const int64_t bytes = packed_bytes(impl_->populations.at(population).bits());
  return std::max<int64_t>(1, kBlockBytes / std::max<int64_t>(1, bytes));
}

std::vector<uint32_t> TraceFile::popcounts(size_t population) const {
  return impl_->reading(population, [&](const Datasets& data) {
    std::vector<uint32_t> counts(static_cast<size_t>(impl_->populations[population].rows));
    if (!counts.empty() && data.popcount) {
      data.popcount.read(0, static_cast<int64_t>(counts.size()), counts.data());
    } else {
      count_rows(data, impl_->populations[population], counts);
    }
    return counts;
  });
}

std::vector<TraceRow> TraceFile::rows(size_t population) const {
  return impl_->reading(population, [&](const Datasets& data) {
    const auto count = static_cast<size_t>(impl_->populations[population].rows);
    std::vector<TraceRow> result;
    result.reserve(count);
    const auto& samples = impl_->samples;
    if (!data.steps) {
      for (size_t s = 0; s < samples.size() && result.size() < count; ++s) {
        for (int64_t t = 0; t < samples[s].steps && result.size() < count; ++t) {
          result.push_back({static_cast<int64_t>(s), t});
        }
      }
      if (result.size() != count) damaged("more rows than the samples have steps");
      return result;
    }
    std::vector<uint64_t> steps(count);
    if (count > 0) data.steps.read(0, static_cast<int64_t>(count), steps.data());
    size_t s = 0;
    for (size_t i = 0; i < count; ++i) {
      if (steps[i] > INT64_MAX || (i > 0 && steps[i] <= steps[i - 1]))
        damaged("steps do not ascend");
      const auto g = static_cast<int64_t>(steps[i]);
      while (s < samples.size() && samples[s].first_step + samples[s].steps <= g) ++s;
      if (s == samples.size() || g < samples[s].first_step) {
        damaged("step " + std::to_string(g) + " belongs to no sample");
      }
      result.push_back({static_cast<int64_t>(s), g - samples[s].first_step});
    }
    return result;
  });
}

TraceEvents TraceFile::events(size_t population, int64_t first, int64_t count) const {
  return impl_->reading(population, [&](const Datasets& data) {
    const int64_t all = std::max<int64_t>(0, impl_->populations[population].events);
    if (first < 0 || count < 0 || count > all || first > all - count) {
      throw Error(ErrorCode::kUsage,
                  "event " + std::to_string(first) + " of " + std::to_string(all));
    }
    TraceEvents result;
    result.times_ms.resize(static_cast<size_t>(count));
    result.nodes.resize(static_cast<size_t>(count));
    if (count == 0) return result;
    data.times.read(first, count, result.times_ms.data());
    data.nodes.read(first, count, result.nodes.data());
    return result;
  });
}

std::string TraceFile::config_json() const {
  const hdf5::Entry inside = hdf5::enter();
  if (!impl_->source.has("/spikeloom/config")) return "{}";  // of a run elsewhere
  return impl_->source.text_dataset("/spikeloom/config");
}

std::string TraceFile::graph_json() const {
  const hdf5::Entry inside = hdf5::enter();
  return impl_->source.text_dataset("/spikeloom/graph");
}

}  // namespace spikeloom
