#pragma once
// Files in which other programs keep spikes, as they stand and as a record of a network's
// populations (docs/chip.md): .npz archives, SONATA spike files, NIRData, traces. Told apart by their content. All are
// untrusted.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.hpp"
#include "hw_model/chip/spike_record.hpp"

namespace spikeloom {

// What a file has of one population: an array, or a list of events.
struct FileSpikes {
  struct Event {
    int64_t sample = 0, neuron = 0;
    double time = 0;  // s; in steps where `in_steps`
    double level = 1;
  };
  std::string name;          // "": the file names none
  Tensor grid;               // [steps, ...] or [samples, steps, ...]; no elements: events
  bool has_samples = false;  // the grid's first axis is samples for certain
  std::vector<Event> events;
  bool in_steps = false;
  std::optional<int64_t> neurons;  // of an event list, where the file tells
  double end = 0;                  // of an event list: s or steps, at least so long
  bool last_first = false;         // neurons count channels last, as in a trace
};

struct SpikeFile {
  std::filesystem::path path;
  int64_t bytes = 0;                  // of the file
  std::optional<double> dt;           // s, where the file tells
  std::vector<int64_t> sample_steps;  // where the file tells; else one length for all
  int64_t samples = 1;                // of event lists
  std::vector<FileSpikes> populations;
};

// Throws Error(kData) naming file and population.
SpikeFile load_spike_file(const std::filesystem::path& path);

// Spikes that a file of so many bytes may hold: 3 million, or 4 for each byte. Packed ones take at
// least a third of a byte each where they fall at random; here, up to 64.
int64_t most_spikes_of(int64_t bytes) noexcept;

// A population of the network that spikes are wanted of.
struct WantedSpikes {
  std::string name;
  Shape shape;                  // channels last
  LevelRange levels = {};       // what they may be
  bool channels_first = false;  // files count its neurons, and have its axes, as C, H, W
};

// What a file has, as steps of a network. A population of the file goes by the network's name; '.',
// '/' and '_' are alike, and "<name>/z" is as good; those of `wanted` that the file lacks are left
// out. `dt`: of a step, s, for events at times. `steps`: of every sample, where only events tell;
// 0: until the last one.
//
// Throws Error(kData) naming file and population: unknown ones, another shape, neurons that are not
// there, times below 0 or between two steps, values that are no levels, samples of different
// lengths, more spikes or steps than a file of its size may make; Error(kUsage) where dt is needed and 0, or steps given that the file tells.
SpikeRecord record_of(const SpikeFile& file, std::span<const WantedSpikes> wanted, double dt,
                      int64_t steps);

}  // namespace spikeloom
