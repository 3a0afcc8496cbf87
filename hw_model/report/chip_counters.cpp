#include "hw_model/report/chip_counters.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include "core/hash.hpp"
#include "core/io/hdf5/table_file.hpp"
#include "hw_model/chip/noc.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kBlockValues = int64_t{1} << 19;  // of one table; a block takes about 40 MB
constexpr double kJoulesPerPj = 1e-12;

void write_identity(TableFile& file, const CountersInput& in) {
  file.attribute("spikeloom_chip_counters_version", "1.0");
  file.attribute("chip", in.run.chip);
  file.attribute("chip_sha256", sha256_hex(in.chip_text));
  file.attribute("chip_settings", in.settings);
  file.attribute("level", std::string(name_of(in.run.level)));
  file.attribute("mapper", in.run.mapper);
  file.attribute("mapping_sha256", in.run.mapping_sha256);
  file.attribute("trace_signature", in.signature);
  file.attribute("samples", in.run.samples);
  file.attribute("steps", in.run.steps);
}

// Calls f(step) for all steps and appends what it gives.
template <typename Value, typename F>
void write_steps(TableFile& file, size_t table, int64_t steps, F&& f) {
  std::vector<Value> values;
  for (int64_t step = 0; step < steps; ++step) values.push_back(static_cast<Value>(f(step)));
  file.append(table, std::span<const Value>(values));
}

void write_step_tables(TableFile& file, const CountersInput& in) {
  const auto at = [&](int64_t s) -> const StepResult& {
    return in.result.steps[static_cast<size_t>(s)];
  };
  const auto add = [&](const char* name, const char* unit, auto field) {
    const size_t table = file.add_integers({std::string("step/") + name, unit, "step"});
    write_steps<int64_t>(file, table, in.run.steps, [&](int64_t s) { return at(s).*field; });
  };
  add("fired", "spikes", &StepResult::fired);
  add("updated", "updates", &StepResult::updated);
  add("packets", "packets", &StepResult::messages);
  add("packets_received", "packets", &StepResult::deliveries);
  add("hops", "links", &StepResult::hops);
  add("events", "synaptic events", &StepResult::events);
  const std::vector<int64_t>& starts = in.spikes.sample_starts;
  write_steps<int64_t>(file, file.add_integers({"step/sample", "position in the trace", "step"}),
                       in.run.steps, [&](int64_t s) {
                         return std::upper_bound(starts.begin(), starts.end(), s) - starts.begin() -
                                1;
                       });
  if (in.result.level == Level::kCounts) return;
  for (const auto& [name, field] :
       {std::pair{"time_ns", &StepResult::time_ns}, std::pair{"busy_ns", &StepResult::busy_ns}}) {
    const size_t table = file.add_reals({std::string("step/") + name, "ns", "step"});
    write_steps<double>(file, table, in.run.steps,
                        [&, field = field](int64_t s) { return at(s).*field; });
  }
}

void write_places(TableFile& file, const CountersInput& in) {
  std::vector<int64_t> values;
  for (int64_t core = 0; core < in.result.cores; ++core) {
    const CorePlace place = place_of_core(in.chip, core);
    values.insert(values.end(), {place.chip, place.tile, place.slot});
  }
  const size_t cores = file.add_integers({"core/place", "number", "core; chip, tile, slot", 3});
  file.append(cores, std::span<const int64_t>(values));
  const Geometry geometry(in.chip);
  values.clear();
  for (int64_t link = 0; link < in.result.links; ++link) {
    const int64_t tile = link % geometry.tiles();
    values.insert(values.end(),
                  {link / geometry.tiles(), tile % geometry.width, tile / geometry.width});
  }
  const size_t links = file.add_integers(
      {"link/place", "number", "link; direction (east, west, north, south), x, y of its tile", 3});
  file.append(links, std::span<const int64_t>(values));
}

// [step, core] and [step, link].
class Blocks {
 public:
  Blocks(TableFile& file, const CountersInput& in) : file_(file), in_(in) {
    const auto count = [&](const char* name, const char* unit, auto field) {
      add(name, unit, false, [field](const StepCore& core) { return core.*field; });
    };
    count("fired", "spikes", &StepCore::fired);
    count("updated", "updates", &StepCore::updated);
    count("packets_in", "packets", &StepCore::packets_in);
    count("packets_out", "packets", &StepCore::packets_out);
    count("events", "synaptic events", &StepCore::events);
    if (in.result.level != Level::kCounts) {
      add("generate_ns", "ns", true, [](const StepCore& core) { return core.generate_ns; });
      add("receive_ns", "ns", true, [](const StepCore& core) { return core.receive_ns; });
    }
    links_ = file.add_integers({"link/flits", "flits", "step, link", in.result.links});
  }

  void write() {
    const int64_t width = std::max<int64_t>({1, in_.result.cores, in_.result.links});
    const int64_t block = std::max<int64_t>(1, kBlockValues / width);
    ReplayOptions options;
    options.level = Level::kCounts;
    options.threads = in_.threads;
    options.keep_step_cores = options.keep_step_links = true;
    for (int64_t begin = 0; begin < in_.run.steps; begin += block) {
      const Range range{begin, std::min(begin + block, in_.run.steps)};
      const ReplayResult part =
          replay(in_.lowered.network, in_.chip, in_.mapping, slice_of(in_.spikes, range), options);
      for (const Column& column : columns_) write(column, part);
      file_.append(links_, std::span<const int64_t>(part.step_links));
    }
  }

 private:
  struct Column {
    size_t table;
    bool real;
    std::function<double(const StepCore&)> value;  // counts are below 2^31
  };

  void add(const std::string& name, const char* unit, bool real,
           std::function<double(const StepCore&)> value) {
    const TableFormat format{"core/" + name, unit, "step, core", in_.result.cores};
    columns_.push_back(
        {real ? file_.add_reals(format) : file_.add_integers(format), real, std::move(value)});
  }

  void write(const Column& column, const ReplayResult& part) {
    if (column.real) {
      std::vector<double> values;
      for (const StepCore& core : part.step_cores) values.push_back(column.value(core));
      file_.append(column.table, std::span<const double>(values));
    } else {
      std::vector<int64_t> values;
      for (const StepCore& core : part.step_cores)
        values.push_back(static_cast<int64_t>(column.value(core)));
      file_.append(column.table, std::span<const int64_t>(values));
    }
  }

  TableFile& file_;
  const CountersInput& in_;
  std::vector<Column> columns_;
  size_t links_ = 0;
};

// Dynamic energy of the whole run.
void write_layers(TableFile& file, const CountersInput& in) {
  std::vector<std::string> names, categories;
  for (const ChipPopulation& population : in.lowered.network.populations)
    names.push_back(population.name);
  for (const ChipEnergy::Term& term : in.run.dynamic) categories.push_back(term.name);
  const size_t ops = in.result.ops.size(), width = categories.size();
  std::vector<double> joules(names.size() * width);
  for (size_t layer = 0; layer < names.size(); ++layer) {
    for (size_t op = 0; op < ops; ++op) {
      const PricedOp& row = in.result.ops[op];
      if (!row.cost.energy_pj) continue;
      const auto category = static_cast<size_t>(
          std::find(categories.begin(), categories.end(), row.category) - categories.begin());
      joules[layer * width + category] +=
          static_cast<double>(in.result.by_layer[layer * ops + op]) * row.cost.energy_pj->value *
          kJoulesPerPj;
    }
  }
  file.texts({"layer/name", "", "layer"}, names);
  file.texts({"layer/category", "", "category"}, categories);
  const size_t table =
      file.add_reals({"layer/energy", "J", "layer, category", static_cast<int64_t>(width)});
  file.append(table, std::span<const double>(joules));
}

}  // namespace

void write_chip_counters(const std::filesystem::path& path, const CountersInput& input) {
  TableFile file(path);
  write_identity(file, input);
  write_step_tables(file, input);
  write_places(file, input);
  Blocks(file, input).write();
  write_layers(file, input);
  file.close();
}

}  // namespace spikeloom
