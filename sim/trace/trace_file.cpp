#include "sim/trace/trace_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "sim/trace/bit_packing.hpp"
#include "sim/trace/hdf5_journal.hpp"
#include "sim/trace/row_dataset.hpp"
#include "sim/trace/sample_table.hpp"

namespace spikeloom {
namespace {

using hdf5::Id;
using hdf5::RowDataset;

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

int64_t need_integer(hid_t where, const std::string& attribute) {
  const auto values = need(hdf5::read_integers(where, attribute), attribute);
  if (values.size() != 1) damaged("attribute " + attribute + " is no single number");
  return values[0];
}

Id open_group(hid_t where, const std::string& name) {
  return Id(H5Gopen2(where, name.c_str(), H5P_DEFAULT), H5Gclose, "open " + printable(name));
}

// The attributes of /spikeloom/populations/<name>.
void read_attributes(hid_t group, TracePopulation& population) {
  population.shape = need(hdf5::read_integers(group, "shape"), "shape");
  population.axes = need(hdf5::read_text(group, "axes"), "axes");
  population.neurons = need_integer(group, "n_neurons");
  population.index = need_integer(group, "index");
  population.layer = need(hdf5::read_text(group, "layer"), "layer");
  population.neuron_model = need(hdf5::read_text(group, "neuron_model"), "neuron_model");
  population.threshold = need(hdf5::read_number(group, "threshold"), "threshold");
  population.dt_ms = need(hdf5::read_number(group, "dt_ms"), "dt_ms");
  population.steps_per_sample = need_integer(group, "steps_per_sample");
  const size_t rank = population.shape.size();
  static constexpr std::array<const char*, 3> kAxes = {"C", "N,C", "H,W,C"};
  if (rank < 1 || rank > 3 || population.axes != kAxes[rank - 1]) {
    damaged("axes " + printable(population.axes) + " do not fit shape " +
            to_string(population.shape));
  }
  if (std::any_of(population.shape.begin(), population.shape.end(),
                  [](int64_t n) { return n < 1; })) {
    damaged("impossible shape " + to_string(population.shape));
  }
  if (element_count(population.shape) != population.neurons) damaged("n_neurons is not shape");
  if (population.neurons > kMaxNeurons) damaged("more than 2^24 neurons");
  if (!(population.dt_ms > 0)) damaged("dt_ms is not above 0");
}

// Data of one population; opened once.
struct Datasets {
  Id activity, events_group;
  RowDataset bits, popcount, steps, times, nodes;
};

}  // namespace

struct TraceFile::Impl {
  explicit Impl(const std::filesystem::path& given) : path(given) {
    hdf5::refuse_hostile(path);
    file = hdf5::open_file(path.string());
    read_header();
    own = open_group(file.get(), "spikeloom");
    read_sample_table();
    const Id group = open_group(own.get(), "populations");
    const Id activity = open_group(own.get(), "activity");
    for (const hdf5::Link& link : hdf5::links_of(group.get())) {
      add_population(group.get(), activity.get(), link.name);
    }
    sort_populations();
  }

  void read_header() {
    const hid_t root = file.get();
    const auto text = [&](const char* name) { return hdf5::read_text(root, name).value_or(""); };
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
    header.complete =
        hdf5::read_integers(root, "complete").value_or(std::vector<int64_t>{0})[0] == 1;
  }

  void read_sample_table() {
    const Id group = open_group(own.get(), "samples");
    for (const hdf5::SampleRow& row : hdf5::read_samples(group.get())) {
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

  void add_population(hid_t group, hid_t activity, const std::string& name) {
    TracePopulation population;
    Datasets data;
    population.name = name;
    population.index = INT64_MAX;
    try {
      read_attributes(open_group(group, name).get(), population);
      open_activity(activity, population, data);
      open_events(population, data);
    } catch (const Error& error) {
      population.fault = error.what();
    }
    populations.push_back(std::move(population));
    datasets.push_back(std::move(data));
  }

  void open_activity(hid_t activity, TracePopulation& population, Datasets& data) {
    data.activity = open_group(activity, population.name);
    const hid_t where = data.activity.get();
    // A run killed before its first flush has no datasets yet.
    if (!header.complete && !hdf5::has_link(where, "bits")) return;
    data.bits = RowDataset::open(where, "bits", H5T_INTEGER, 1);
    data.popcount = RowDataset::open(where, "popcount", H5T_INTEGER, 4);
    if (data.bits.width() != packed_bytes(population.neurons) || data.popcount.width() != 0) {
      damaged("bits or popcount has another extent than the shape asks for");
    }
    population.rows = std::min(data.bits.rows(), data.popcount.rows());
    if (hdf5::has_link(where, "steps")) {
      data.steps = RowDataset::open(where, "steps", H5T_INTEGER, 8);
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
    const Id spikes = open_group(file.get(), "spikes");
    if (!hdf5::has_link(spikes.get(), population.name)) return;
    data.events_group = open_group(spikes.get(), population.name);
    data.times = RowDataset::open(data.events_group.get(), "timestamps", H5T_FLOAT, 8);
    data.nodes = RowDataset::open(data.events_group.get(), "node_ids", H5T_INTEGER, 8);
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
      hdf5::enter();
      if (!entry.fault.empty()) damaged(entry.fault);
      return read(datasets[population]);
    } catch (const Error& error) {
      throw error.in(printable(entry.name)).in(path.string());
    }
  }

  std::filesystem::path path;
  Id file, own;
  TraceHeader header;
  std::vector<TracePopulation> populations;
  std::vector<Datasets> datasets;
  std::vector<TraceSample> samples;
};

void settle_trace(const std::filesystem::path& temporary) {
  const int error = hdf5::settle(temporary.string());
  if (error == 0) return;
  throw Error(ErrorCode::kRuntime,
              temporary.string() + ": cannot be brought in order: " + std::strerror(error));
}

TraceFile::TraceFile(const std::filesystem::path& path) {
  try {
    hdf5::enter();
    impl_ = std::make_unique<Impl>(path);
  } catch (const Error& error) {
    throw error.in(path.string());
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
    hdf5::enter();
    return need_integer(impl_->own.get(), "n_populations") == static_cast<int64_t>(count);
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
    if (rows > 0) data.bits.read(row, rows, H5T_NATIVE_UINT8, packed.data());
    return packed;
  });
}

SpikeTensor TraceFile::read(size_t population, int64_t row) const {
  const std::vector<uint8_t> packed = bits(population, row);
  const Shape& shape = impl_->populations[population].shape;
  SpikeTensor result(element_count(shape) / shape.back(), shape.back());
  unpack_bits(packed, result.view());
  if (result.view().count() != count_packed(packed)) {
    throw Error(ErrorCode::kData, impl_->path.string() + ": " +
                                      impl_->populations[population].name + ": pad bits of row " +
                                      std::to_string(row) + " are set");
  }
  return result;
}

int64_t TraceFile::block_rows(size_t population) const {
  const int64_t bytes = packed_bytes(impl_->populations.at(population).neurons);
  return std::max<int64_t>(1, kBlockBytes / std::max<int64_t>(1, bytes));
}

std::vector<uint32_t> TraceFile::popcounts(size_t population) const {
  return impl_->reading(population, [&](const Datasets& data) {
    std::vector<uint32_t> counts(static_cast<size_t>(impl_->populations[population].rows));
    if (!counts.empty()) {
      data.popcount.read(0, static_cast<int64_t>(counts.size()), H5T_NATIVE_UINT32, counts.data());
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
    if (count > 0) data.steps.read(0, static_cast<int64_t>(count), H5T_NATIVE_UINT64, steps.data());
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
    data.times.read(first, count, H5T_NATIVE_DOUBLE, result.times_ms.data());
    data.nodes.read(first, count, H5T_NATIVE_UINT64, result.nodes.data());
    return result;
  });
}

std::string TraceFile::config_json() const {
  hdf5::enter();
  return hdf5::read_text_dataset(impl_->own.get(), "config");
}

std::string TraceFile::graph_json() const {
  hdf5::enter();
  return hdf5::read_text_dataset(impl_->own.get(), "graph");
}

}  // namespace spikeloom
