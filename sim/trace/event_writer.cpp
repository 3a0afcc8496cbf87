#include "sim/trace/event_writer.hpp"

#include <algorithm>

#include "core/bit_packing.hpp"
#include "core/levels.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr int64_t kEventChunk = 131072;  // docs/trace.md

// Gives the global step of row 0, 1, 2, ... of a run of which every step was recorded.
class StepsOfSamples {
 public:
  explicit StepsOfSamples(const SampleWriter& samples) : samples_(samples) {}

  uint64_t next() {
    while (step_ == current().steps) {
      ++row_;
      step_ = 0;
    }
    return static_cast<uint64_t>(current().first_step + step_++);
  }

 private:
  const SampleRow& current() {
    constexpr int64_t kBlock = 1024;
    if (row_ - block_start_ >= static_cast<int64_t>(block_.size())) {
      block_start_ = row_;
      block_ = samples_.read(row_, std::min(kBlock, samples_.rows() - row_));
    }
    return block_.at(static_cast<size_t>(row_ - block_start_));
  }

  const SampleWriter& samples_;
  std::vector<SampleRow> block_;
  int64_t block_start_ = 0, row_ = 0, step_ = 0;
};

class EventLists {
 public:
  EventLists(hid_t group, int64_t events, unsigned gzip) {
    const int64_t chunk = std::clamp<int64_t>(events, 1, kEventChunk);
    RowFormat format{H5T_IEEE_F64LE, 0, chunk, gzip, gzip != 0};
    times_file_ = RowDataset::create(group, "timestamps", format);
    write_text(times_file_.get(), "units", "ms");
    format.file_type = H5T_STD_U64LE;
    nodes_file_ = RowDataset::create(group, "node_ids", format);
  }

  void add(double time, int64_t node) {
    times_.push_back(time);
    nodes_.push_back(static_cast<uint64_t>(node));
    if (static_cast<int64_t>(times_.size()) == kEventChunk) flush();
  }

  void flush() {
    const int64_t first = times_file_.rows(), count = static_cast<int64_t>(times_.size());
    times_file_.write(first, count, H5T_NATIVE_DOUBLE, times_.data());
    nodes_file_.write(first, count, H5T_NATIVE_UINT64, nodes_.data());
    times_.clear();
    nodes_.clear();
  }

 private:
  RowDataset times_file_, nodes_file_;
  std::vector<double> times_;
  std::vector<uint64_t> nodes_;
};

void write_sorting(hid_t group) {
  const Id type = sorting_type();
  const Id space(H5Screate(H5S_SCALAR), H5Sclose, "make a scalar space");
  const Id id(H5Acreate2(group, "sorting", type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
              H5Aclose, "create attribute sorting");
  const uint8_t by_time = 2;
  check(H5Awrite(id.get(), type.get(), &by_time), "write attribute sorting");
}

}  // namespace

Id sorting_type() {
  Id type(H5Tenum_create(H5T_STD_U8LE), H5Tclose, "make the type of sorting");
  uint8_t value = 0;
  for (const char* name : {"none", "by_id", "by_time"}) {
    check(H5Tenum_insert(type.get(), name, &value), "make the type of sorting");
    ++value;
  }
  return type;
}

void write_events(hid_t spikes, const std::string& name, const PopulationWriter& population,
                  const SampleWriter& samples, bool with_steps, double dt_ms, bool gzip) {
  const Id group = create_group(spikes, name);
  write_sorting(group.get());
  EventLists lists(group.get(), population.spikes(), gzip ? 4 : 0);
  StepsOfSamples steps_of_samples(samples);
  const int64_t neurons = population.neurons();
  const LevelRange levels = population.levels();
  const auto row_bytes = static_cast<size_t>(packed_bytes(neurons * levels.planes()));
  const int64_t block = population.rows_per_buffer();
  std::vector<uint8_t> bits;
  std::vector<uint64_t> steps;
  for (int64_t first = 0; first < population.rows(); first += block) {
    const int64_t rows = std::min(block, population.rows() - first);
    bits.resize(static_cast<size_t>(rows) * row_bytes);
    population.read(first, rows, bits.data());
    steps.resize(static_cast<size_t>(rows));
    if (with_steps) {
      population.read_steps(first, rows, steps.data());
    } else {
      for (uint64_t& step : steps) step = steps_of_samples.next();
    }
    for (size_t r = 0; r < steps.size(); ++r) {
      const double time = static_cast<double>(steps[r]) * dt_ms;
      for_each_level(std::span(bits).subspan(r * row_bytes, row_bytes), neurons, levels,
                     [&](int64_t node, int64_t level) {
                       for (int64_t spike = 0; spike < level; ++spike) lists.add(time, node);
                     });
    }
  }
  lists.flush();
}

}  // namespace spikeloom::hdf5
