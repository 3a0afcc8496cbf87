#include "sim/trace/event_writer.hpp"

#include <algorithm>
#include <memory>

#include "core/bit_packing.hpp"
#include "core/io/deflate.hpp"
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

// First bytes of all values, then second bytes, ...: HDF5's filter of that name.
template <typename T>
std::vector<uint8_t> shuffled(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  const auto* from = reinterpret_cast<const uint8_t*>(values.data());
  for (size_t b = 0; b < sizeof(T); ++b) {
    for (size_t i = 0; i < values.size(); ++i)
      bytes[b * values.size() + i] = from[i * sizeof(T) + b];
  }
  return bytes;
}

// Shuffled, values that grow slowly are long runs and one noisy plane.
template <typename T>
std::vector<uint8_t> packed_events(const std::vector<T>& values) {
  const size_t distances[] = {1, 2};
  return deflate_repeats(shuffled(values), distances);
}

class EventLists {
 public:
  EventLists(hid_t group, int64_t events, bool gzip, BackgroundQueue& queue)
      : chunk_(std::clamp<int64_t>(events, 1, kEventChunk)), gzip_(gzip), queue_(queue) {
    RowFormat format{H5T_IEEE_F64LE, 0, chunk_, gzip ? 1u : 0u, gzip};
    times_file_ = RowDataset::create(group, "timestamps", format);
    write_text(times_file_.get(), "units", "ms");
    format.file_type = H5T_STD_U64LE;
    nodes_file_ = RowDataset::create(group, "node_ids", format);
  }

  void add(double time, int64_t node) {
    times_.push_back(time);
    nodes_.push_back(static_cast<uint64_t>(node));
    if (static_cast<int64_t>(times_.size()) == chunk_) flush();
  }

  void finish() {
    flush();
    queue_.finish();
  }

 private:
  struct Chunk {
    std::vector<double> times;
    std::vector<uint64_t> nodes;
    std::vector<uint8_t> packed_times, packed_nodes;
  };

  void flush() {
    const int64_t first = written_, count = static_cast<int64_t>(times_.size());
    written_ += count;
    if (count == 0) return;
    if (!gzip_) {
      times_file_.write(first, count, H5T_NATIVE_DOUBLE, times_.data());
      nodes_file_.write(first, count, H5T_NATIVE_UINT64, nodes_.data());
      times_.clear();
      nodes_.clear();
      return;
    }
    const auto chunk = std::make_shared<Chunk>();
    times_.resize(static_cast<size_t>(chunk_));
    nodes_.resize(static_cast<size_t>(chunk_));
    chunk->times.swap(times_);
    chunk->nodes.swap(nodes_);
    queue_.add(
        chunk->times.size() * 2 * sizeof(double),
        [chunk] {
          chunk->packed_times = packed_events(chunk->times);
          chunk->packed_nodes = packed_events(chunk->nodes);
        },
        [this, chunk, first, count] {
          times_file_.write_chunk(first, count, chunk->packed_times);
          nodes_file_.write_chunk(first, count, chunk->packed_nodes);
        });
  }

  const int64_t chunk_;
  const bool gzip_;
  BackgroundQueue& queue_;
  RowDataset times_file_, nodes_file_;
  std::vector<double> times_;
  std::vector<uint64_t> nodes_;
  int64_t written_ = 0;
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
                  const SampleWriter& samples, bool with_steps, double dt_ms, bool gzip,
                  BackgroundQueue& queue) {
  const Id group = create_group(spikes, name);
  write_sorting(group.get());
  EventLists lists(group.get(), population.spikes(), gzip, queue);
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
  lists.finish();
}

}  // namespace spikeloom::hdf5
