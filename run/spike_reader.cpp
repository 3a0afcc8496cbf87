#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "run/spike_file.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMostSteps = int64_t{1} << 24;  // of a sample, as in a trace
constexpr double kOffGrid = 1e-3;                 // of a step
constexpr int64_t kConverted = 1 << 16;           // values at once
constexpr int64_t kStepsOfByte = 16;              // of all populations, each takes a place

// Names as other programs write them.
std::string plain_name(std::string name) {
  if (name.ends_with("/z")) name.resize(name.size() - 2);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '/'; }, '_');
  return name;
}

[[noreturn]] void refuse_spikes(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

Shape first_to_last(const Shape& shape) {
  if (shape.size() != 3) return shape;
  return {shape[2], shape[0], shape[1]};
}

// Which neuron of the graph one of the file is.
uint32_t place_of(const WantedSpikes& wanted, bool last_first, int64_t neuron) {
  if (last_first || !wanted.channels_first || wanted.shape.size() != 3)
    return static_cast<uint32_t>(neuron);
  const int64_t pixels = wanted.shape[0] * wanted.shape[1];
  return static_cast<uint32_t>(neuron % pixels * wanted.shape[2] + neuron / pixels);
}

// The axes of an array: whether the first is that of samples.
bool starts_with_samples(const FileSpikes& spikes, const WantedSpikes& wanted,
                         const std::string& title) {
  const Shape& shape = spikes.grid.shape();
  const Shape own = wanted.channels_first ? first_to_last(wanted.shape) : wanted.shape;
  const Shape flat{element_count(own)};
  for (const bool samples : {spikes.has_samples, true}) {
    for (const Shape& neurons : {own, flat}) {
      const size_t lead = samples ? 2 : 1;
      if (shape.size() == lead + neurons.size() &&
          std::equal(neurons.begin(), neurons.end(),
                     shape.begin() + static_cast<std::ptrdiff_t>(lead)))
        return samples;
    }
  }
  refuse_spikes(
      fmt::format("{} is {}; expected {} or {} behind the steps, or behind samples and steps",
                  title, to_string(shape), to_string(flat), to_string(own)));
}

struct Placed {
  int64_t step = 0;  // of all samples
  uint32_t neuron = 0;
  double level = 0;
};

class RecordBuilder {
 public:
  RecordBuilder(const SpikeFile& file, std::span<const WantedSpikes> wanted, double dt)
      : file_(file), wanted_(wanted), dt_(dt) {}

  SpikeRecord build(int64_t steps) {
    if (file_.populations.empty()) refuse_spikes(where() + ": no population has spikes");
    record_.path = file_.path;
    match();
    find_lengths(steps);
    for (size_t i = 0; i < wanted_.size(); ++i) {
      if (found_[i] != nullptr) record_.populations.emplace(wanted_[i].name, read(i));
    }
    return std::move(record_);
  }

 private:
  std::string where() const { return printable(file_.path.string()); }
  std::string title(const FileSpikes& spikes) const {
    return where() + ": population " +
           (spikes.name.empty() ? "without a name" : printable(spikes.name, 60));
  }
  static bool is_array(const FileSpikes& spikes) { return !spikes.grid.shape().empty(); }

  // Which population of the file is which of the network.
  void match() {
    found_.assign(wanted_.size(), nullptr);
    for (const FileSpikes& spikes : file_.populations) {
      size_t at = wanted_.size();
      for (size_t i = 0; i < wanted_.size(); ++i) {
        if (wanted_[i].name == spikes.name) at = i;
      }
      for (size_t i = 0; at == wanted_.size() && i < wanted_.size(); ++i) {
        if (plain_name(wanted_[i].name) == plain_name(spikes.name)) at = i;
      }
      if (spikes.name.empty() && wanted_.size() == 1) at = 0;
      if (at == wanted_.size()) refuse_name(spikes);
      if (found_[at] != nullptr)
        refuse_spikes(title(spikes) + ": is there twice, also as " +
                      printable(found_[at]->name, 60));
      found_[at] = &spikes;
    }
  }

  [[noreturn]] void refuse_name(const FileSpikes& spikes) const {
    std::vector<std::string> names;
    for (const WantedSpikes& population : wanted_) names.push_back(population.name);
    const std::string near = nearest(spikes.name, names);
    refuse_spikes(title(spikes) + ": the network has no layer of spikes of that name" +
                  (near.empty() ? "" : "; did you mean " + in_quotes(near) + "?"));
  }

  // Samples and steps of an array.
  std::pair<int64_t, int64_t> extent_of(size_t i) const {
    const FileSpikes& spikes = *found_[i];
    const Shape& shape = spikes.grid.shape();
    const bool samples = starts_with_samples(spikes, wanted_[i], title(spikes));
    const std::pair extent =
        samples ? std::pair(shape[0], shape[1]) : std::pair(int64_t{1}, shape[0]);
    if (extent.first < 1 || extent.second < 1 || extent.second > kMostSteps)
      refuse_spikes(title(spikes) + " is " + to_string(shape) +
                    ": at least one sample, from 1 to 2^24 steps");
    return extent;
  }

  int64_t event_end(const FileSpikes& spikes) const {
    if (!spikes.in_steps && dt_ <= 0)
      throw Error(ErrorCode::kUsage, where() + ": its times need a step: --dt SECONDS");
    const double end = spikes.in_steps ? spikes.end : std::rint(spikes.end / dt_);
    if (!(end >= 0 && end <= static_cast<double>(kMostSteps)))
      refuse_spikes(fmt::format("{}: ends after {:g} steps, at most 2^24", title(spikes), end));
    auto last = static_cast<int64_t>(end);
    for (const FileSpikes::Event& event : spikes.events)
      last = std::max(last, step_of(spikes, event.time) + 1);
    return last;
  }

  void find_lengths(int64_t steps) {
    std::vector<int64_t>& lengths = record_.sample_steps;
    lengths = file_.sample_steps;
    const FileSpikes* teller = nullptr;
    for (size_t i = 0; i < wanted_.size(); ++i) {
      if (found_[i] == nullptr || !is_array(*found_[i])) continue;
      const auto [samples, count] = extent_of(i);
      const std::vector<int64_t> own(static_cast<size_t>(samples), count);
      if (lengths.empty()) {
        teller = found_[i];
        lengths = own;
      } else if (lengths != own) {
        refuse_spikes(fmt::format("{} has {} samples of {} steps, {} has {} of {}",
                                  title(*found_[i]), samples, count,
                                  teller == nullptr ? "the file" : printable(teller->name, 60),
                                  lengths.size(), lengths[0]));
      }
    }
    if (!lengths.empty()) {
      if (steps > 0)
        throw Error(ErrorCode::kUsage,
                    "--steps: " + where() + " tells itself how many steps a sample has");
      refuse_other_samples();
    } else {
      int64_t end = 0;
      for (const FileSpikes& spikes : file_.populations) end = std::max(end, event_end(spikes));
      if (end == 0 && steps == 0)
        refuse_spikes(where() + ": not a spike in it, and no length is told (--steps N)");
      const int64_t length = steps > 0 ? steps : end;
      if (file_.samples > kMostSteps / std::max<int64_t>(length, 1))
        refuse_spikes(fmt::format("{}: {} samples of {} steps, at most 2^24 steps in all", where(),
                                  file_.samples, length));
      lengths.assign(static_cast<size_t>(file_.samples), length);
    }
    int64_t start = 0;
    for (const int64_t length : lengths) {
      starts_.push_back(start);
      start += length;
    }
    if (start > kMostSteps)
      refuse_spikes(fmt::format("{}: {} steps in all samples, at most 2^24", where(), start));
    const int64_t populations = std::ssize(wanted_);
    if (start > std::max(kMostSteps, file_.bytes * kStepsOfByte) / populations)
      refuse_spikes(fmt::format(
          "{}: {} steps of {} populations, at most 2^24 in all or {} for each byte of the file",
          where(), start, populations, kStepsOfByte));
  }

  // Events beside arrays.
  void refuse_other_samples() const {
    const auto samples = static_cast<int64_t>(record_.sample_steps.size());
    for (const FileSpikes& spikes : file_.populations) {
      if (is_array(spikes) || file_.samples == samples) continue;
      refuse_spikes(
          fmt::format("{} has {} samples, others have {}", title(spikes), file_.samples, samples));
    }
  }

  int64_t step_of(const FileSpikes& spikes, double time) const {
    const double at = spikes.in_steps ? time : time / dt_;
    if (!(at >= 0)) refuse_spikes(fmt::format("{}: a spike at {:g} s", title(spikes), time));
    if (at >= static_cast<double>(kMostSteps))
      refuse_spikes(fmt::format("{}: a spike at {:g} s, beyond 2^24 steps", title(spikes), time));
    const double step = std::rint(at);
    // Times in fp32 are no better than this.
    if (std::abs(at - step) > std::max(kOffGrid, 2e-7 * at)) {
      refuse_spikes(fmt::format("{}: a spike at {:.9g} s lies between two steps of {:g} s",
                                title(spikes), time, dt_));
    }
    return static_cast<int64_t>(step);
  }

  int32_t level_of(size_t i, double level) const {
    const LevelRange& range = wanted_[i].levels;
    if (level == std::rint(level) && level >= static_cast<double>(range.low) &&
        level <= static_cast<double>(range.high))
      return static_cast<int32_t>(level);
    refuse_spikes(fmt::format("{}: holds {:g}, its neurons give {}", title(*found_[i]), level,
                              range == LevelRange() ? "0 and 1" : range_text(range)));
  }

  // An array has the order of a record, but for the neurons of a step.
  SpikeRecord::Population read_grid(size_t i) const {
    const Tensor& grid = found_[i]->grid;
    const int64_t neurons = element_count(wanted_[i].shape), steps = record_.steps();
    const int64_t several = std::max<int64_t>(1, kConverted / neurons);
    const int64_t step_bytes = neurons * size_of(grid.dtype());
    SpikeRecord::Population out;
    for (int64_t first = 0; first < steps; first += several) {
      const int64_t count = std::min(several, steps - first);
      Tensor part({count, neurons}, grid.dtype());
      std::memcpy(part.data(), grid.data() + first * step_bytes,
                  static_cast<size_t>(count * step_bytes));
      const Tensor values = to_f32(part);
      for (int64_t step = 0; step < count; ++step)
        add_step(
            i,
            values.f32().subspan(static_cast<size_t>(step * neurons), static_cast<size_t>(neurons)),
            out);
    }
    return out;
  }

  void add_step(size_t i, std::span<const float> values, SpikeRecord::Population& out) const {
    const auto before = static_cast<std::ptrdiff_t>(out.events.size());
    for (size_t n = 0; n < values.size(); ++n) {
      if (values[n] == 0) continue;
      if (std::ssize(out.events) == most_spikes_of(file_.bytes))
        refuse_spikes(title(*found_[i]) + " has more spikes than a file of its size holds");
      out.events.push_back({place_of(wanted_[i], found_[i]->last_first, static_cast<int64_t>(n)),
                            level_of(i, static_cast<double>(values[n]))});
    }
    std::sort(out.events.begin() + before, out.events.end(),
              [](const auto& a, const auto& b) { return a.neuron < b.neuron; });
    out.first.push_back(std::ssize(out.events));
  }

  std::vector<Placed> placed_events(size_t i) const {
    const FileSpikes& spikes = *found_[i];
    const int64_t neurons = element_count(wanted_[i].shape);
    if (spikes.neurons && *spikes.neurons != neurons)
      refuse_spikes(fmt::format("{} has {} neurons, in the network {}", title(spikes),
                                *spikes.neurons, neurons));
    std::vector<Placed> placed;
    for (const FileSpikes::Event& event : spikes.events) {
      if (event.neuron < 0 || event.neuron >= neurons)
        refuse_spikes(fmt::format("{}: a spike of neuron {}, there are {}", title(spikes),
                                  event.neuron, neurons));
      const int64_t step = step_of(spikes, event.time);
      const auto sample = static_cast<size_t>(event.sample);
      if (step >= record_.sample_steps[sample])
        refuse_spikes(fmt::format("{}: a spike at step {}, a sample has {} steps", title(spikes),
                                  step, record_.sample_steps[sample]));
      placed.push_back({starts_[sample] + step,
                        place_of(wanted_[i], spikes.last_first, event.neuron), event.level});
    }
    return placed;
  }

  SpikeRecord::Population read(size_t i) const {
    if (is_array(*found_[i])) return read_grid(i);
    std::vector<Placed> placed = placed_events(i);
    std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
      return std::pair(a.step, a.neuron) < std::pair(b.step, b.neuron);
    });
    SpikeRecord::Population out;
    const int64_t steps = record_.steps();
    size_t next = 0;
    for (int64_t step = 0; step < steps; ++step) {
      while (next < placed.size() && placed[next].step == step) {
        // Events of one neuron in one step add up.
        double level = placed[next].level;
        size_t same = next + 1;
        for (; same < placed.size() && placed[same].step == step &&
               placed[same].neuron == placed[next].neuron;
             ++same)
          level += placed[same].level;
        if (level != 0) out.events.push_back({placed[next].neuron, level_of(i, level)});
        next = same;
      }
      out.first.push_back(static_cast<int64_t>(out.events.size()));
    }
    return out;
  }

  const SpikeFile& file_;
  const std::span<const WantedSpikes> wanted_;
  const double dt_;
  std::vector<const FileSpikes*> found_;  // by wanted population; nullptr: the file has none
  std::vector<int64_t> starts_;           // of samples
  SpikeRecord record_;
};

}  // namespace

SpikeRecord record_of(const SpikeFile& file, std::span<const WantedSpikes> wanted, double dt,
                      int64_t steps) {
  return RecordBuilder(file, wanted, dt).build(steps);
}

}  // namespace spikeloom
