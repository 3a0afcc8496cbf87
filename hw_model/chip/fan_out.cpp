#include "hw_model/chip/fan_out.hpp"

#include <algorithm>
#include <limits>

#include "core/error.hpp"

namespace spikeloom {
namespace {

// Counts synapses by core for one row at a time.
class RowBuilder {
 public:
  explicit RowBuilder(FanOut& out) : out_(out) { out_.first.push_back(0); }

  void add(int32_t core, int64_t synapses) {
    if (static_cast<size_t>(core) >= count_.size())
      count_.resize(static_cast<size_t>(core) + 1, -1);
    int64_t& count = count_[static_cast<size_t>(core)];
    if (count < 0) {
      count = 0;
      touched_.push_back(core);
    }
    count += synapses;
  }

  void end_row() {
    std::sort(touched_.begin(), touched_.end());
    for (const int32_t core : touched_) {
      int64_t& count = count_[static_cast<size_t>(core)];
      if (count > std::numeric_limits<int32_t>::max()) {
        throw Error(ErrorCode::kCapacity, "one spike has 2^31 or more synapses on one core");
      }
      out_.entries.push_back({core, static_cast<int32_t>(count)});
      count = -1;
    }
    touched_.clear();
    out_.first.push_back(static_cast<int64_t>(out_.entries.size()));
  }

 private:
  FanOut& out_;
  std::vector<int64_t> count_;
  std::vector<int32_t> touched_;
};

struct Builder {
  const ChipPopulation& source;
  const ChipPopulation& target;
  int target_index;
  const Mapping& mapping;
  const std::vector<int32_t>& cores;  // of the target's neurons

  FanOut shaped(bool by_position, int64_t groups) const {
    FanOut out;
    out.channels = static_cast<uint32_t>(source.channels);
    out.position_neurons = by_position ? out.channels : std::numeric_limits<uint32_t>::max();
    out.groups = static_cast<uint32_t>(groups);
    out.group_channels = static_cast<uint32_t>(source.channels / groups);
    return out;
  }

  FanOut operator()(const DenseSynapses& dense) const {
    FanOut out = shaped(false, 1);
    RowBuilder rows(out);
    for (const int32_t core : cores) rows.add(core, dense.taps);
    rows.end_row();
    return out;
  }

  FanOut operator()(const SparseSynapses& sparse) const {
    FanOut out = shaped(true, source.channels);
    RowBuilder rows(out);
    for (int64_t n = 0; n < source.neurons(); ++n) {
      const auto begin = sparse.first[static_cast<size_t>(n)];
      const auto end = sparse.first[static_cast<size_t>(n) + 1];
      for (int64_t i = begin; i < end; ++i) {
        rows.add(cores[sparse.targets[static_cast<size_t>(i)]], 1);
      }
      rows.end_row();
    }
    return out;
  }

  FanOut operator()(const AttentionSynapses& attention) const {
    for (size_t n = 0; n < cores.size(); ++n) {
      if (cores[n] != cores[n % static_cast<size_t>(target.channels)]) {
        throw Error(ErrorCode::kUsage, "the target of an attention may not be split over tokens");
      }
    }
    const bool by_channel = attention.role == AttentionRole::kValue;
    const int64_t group = by_channel ? 1 : target.channels / attention.heads;
    FanOut out = shaped(false, target.channels / group);
    RowBuilder rows(out);
    for (int64_t first = 0; first < target.channels; first += group) {
      for (int64_t c = first; c < first + group; ++c) {
        rows.add(cores[static_cast<size_t>(c)], attention.role == AttentionRole::kKey ? 0 : 1);
      }
      rows.end_row();
    }
    return out;
  }

  FanOut operator()(const ConvSynapses& conv) const {
    const auto p = static_cast<size_t>(target_index);
    return p < mapping.cores.size() && !mapping.cores[p].empty() ? conv_onto_neurons(conv)
                                                                 : conv_onto_boxes(conv);
  }

  // Walks the receptive field of each (position, group).
  FanOut conv_onto_neurons(const ConvSynapses& conv) const {
    FanOut out = shaped(true, conv.groups);
    RowBuilder rows(out);
    const int64_t group = target.channels / conv.groups;
    for (int64_t y = 0; y < source.height; ++y) {
      const Range oy = outputs_of(y, conv.kernel_y, conv.stride_y, conv.padding_y, target.height);
      for (int64_t x = 0; x < source.width; ++x) {
        const Range ox = outputs_of(x, conv.kernel_x, conv.stride_x, conv.padding_x, target.width);
        for (int64_t g = 0; g < conv.groups; ++g) {
          for (int64_t row = oy.begin; row < oy.end; ++row) {
            for (int64_t column = ox.begin; column < ox.end; ++column) {
              const int64_t n = (row * target.width + column) * target.channels + g * group;
              for (int64_t c = 0; c < group; ++c) rows.add(cores[static_cast<size_t>(n + c)], 1);
            }
          }
          rows.end_row();
        }
      }
    }
    return out;
  }

  // Calls f(row, synapses) for every (position, group) that reaches the box.
  template <typename F>
  void for_each_row(const ConvSynapses& conv, const Box& box, F&& f) const {
    const int64_t group = target.channels / conv.groups;
    const Range ys = inputs_of(box.y, conv.kernel_y, conv.stride_y, conv.padding_y, source.height);
    const Range xs = inputs_of(box.x, conv.kernel_x, conv.stride_x, conv.padding_x, source.width);
    for (int64_t y = ys.begin; y < ys.end; ++y) {
      const int64_t taps_y =
          intersect(outputs_of(y, conv.kernel_y, conv.stride_y, conv.padding_y, target.height),
                    box.y)
              .size();
      for (int64_t x = xs.begin; taps_y > 0 && x < xs.end; ++x) {
        const int64_t taps_x =
            intersect(outputs_of(x, conv.kernel_x, conv.stride_x, conv.padding_x, target.width),
                      box.x)
                .size();
        if (taps_x == 0) continue;  // a stride longer than the kernel leaves inputs unread
        for (int64_t g = box.channels.begin / group; g * group < box.channels.end; ++g) {
          const int64_t channels = intersect({g * group, (g + 1) * group}, box.channels).size();
          f((y * source.width + x) * conv.groups + g, taps_y * taps_x * channels);
        }
      }
    }
  }

  FanOut conv_onto_boxes(const ConvSynapses& conv) const {
    FanOut out = shaped(true, conv.groups);
    std::vector<const Box*> boxes;
    for (const Box& box : mapping.boxes) {
      if (box.population == target_index) boxes.push_back(&box);
    }
    std::stable_sort(boxes.begin(), boxes.end(),
                     [](const Box* a, const Box* b) { return a->core < b->core; });
    // First pass: entries per row; boxes of one core share an entry.
    const auto row_count = static_cast<size_t>(source.positions() * conv.groups);
    out.first.assign(row_count + 1, 0);
    std::vector<int32_t> last_core(row_count, -1);
    for (const Box* box : boxes) {
      const auto core = static_cast<int32_t>(box->core);
      for_each_row(conv, *box, [&](int64_t row, int64_t) {
        const auto r = static_cast<size_t>(row);
        if (last_core[r] != core) ++out.first[r + 1];
        last_core[r] = core;
      });
    }
    for (size_t r = 0; r < row_count; ++r) out.first[r + 1] += out.first[r];
    out.entries.assign(static_cast<size_t>(out.first.back()), {-1, 0});
    std::vector<int64_t> next(out.first.begin(), out.first.end() - 1);
    for (const Box* box : boxes) {
      const auto core = static_cast<int32_t>(box->core);
      for_each_row(conv, *box, [&](int64_t row, int64_t synapses) {
        const auto r = static_cast<size_t>(row);
        if (next[r] == out.first[r] || out.entries[static_cast<size_t>(next[r] - 1)].core != core) {
          out.entries[static_cast<size_t>(next[r]++)].core = core;
        }
        out.entries[static_cast<size_t>(next[r] - 1)].synapses += static_cast<int32_t>(synapses);
      });
    }
    return out;
  }
};

}  // namespace

FanOut fan_out_of(const ChipNetwork& network, const Projection& projection, const Mapping& mapping,
                  const std::vector<std::vector<int32_t>>& cores) {
  const auto target = static_cast<size_t>(projection.target);
  try {
    return std::visit(
        Builder{network.populations[static_cast<size_t>(projection.source)],
                network.populations[target], projection.target, mapping, cores[target]},
        projection.synapses);
  } catch (const Error& error) {
    throw error.in("projection " + projection.name);
  }
}

}  // namespace spikeloom
