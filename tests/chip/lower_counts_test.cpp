// From a trace alone to a chip: the synaptic events of the chip are the operation counts of the
// network, layer by layer.

#include "core/io/npy.hpp"
#include "core/io/npz.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/graph/step_window.hpp"
#include "tests/catch.hpp"
#include "tests/chip/lowered_run.hpp"

using namespace spikeloom;
using namespace spikeloom::lower_test;

namespace {

std::vector<Tensor> golden_images() {
  const Tensor input = load_npy(kGolden + "meta_spikeformer/input.npy");
  std::vector<Tensor> frames;
  for (int64_t b = 0; b < 2; ++b) {
    Tensor& frame = frames.emplace_back(Shape{1, 64, 64, 3});
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t p = 0; p < 64 * 64; ++p) {
        frame.f32()[static_cast<size_t>(p * 3 + c)] =
            input.f32()[static_cast<size_t>((b * 3 + c) * 64 * 64 + p)];
      }
    }
  }
  return frames;
}

std::vector<Tensor> golden_sound() {
  const Tensor input = load_npy(kGolden + "lmuformer/spiking/input.npy");
  std::vector<Tensor> frames;
  for (int64_t b = 0; b < 2; ++b) {
    Tensor& frame = frames.emplace_back(Shape{input.shape()[1], input.shape()[2]});
    std::copy_n(input.f32().begin() + b * frame.size(), frame.size(), frame.f32().begin());
  }
  return frames;
}

// Deliveries of taps that fall outside the sample, which the chip makes and operation counts leave
// out.
int64_t outside(const Run& run, const LayerCount& layer) {
  const Graph& graph = run.lowered.graph;
  const Node& node = graph.node(*graph.find(layer.name));
  const StepWindow window = window_of(node.op);
  if (window.left + window.right == 0) return 0;
  const PopulationStatistics& spikes =
      run.statistics.populations.at(graph.node(source_of(graph, node.inputs[0])).name);
  const auto steps = static_cast<int64_t>(spikes.events_per_step.size());
  int64_t sum = 0;
  for (int64_t s = 0; s < steps; ++s) {
    for (int64_t t = s - window.right; t <= s + window.left; ++t) {
      if (t < 0 || t >= steps) sum += spikes.events_per_step[static_cast<size_t>(s)];
    }
  }
  return sum * channels_of(node.shape);
}

void check_events(const Run& run) {
  std::map<std::string, int64_t> events = events_by_layer(run);
  int64_t outside_all = 0, total = 0;
  for (const LayerCount& layer : run.counts.layers) {
    INFO(layer.name);
    if (!layer.spike_operand) {
      CHECK(events.count(layer.name) == 0);
      continue;
    }
    CHECK(events.at(layer.name) == layer.event_adds + outside(run, layer));
    outside_all += outside(run, layer);
    total += events.at(layer.name);
  }
  CHECK(total == run.counts.totals.event_adds + outside_all);
  for (const AttentionCount& attention : run.counts.attention) {
    INFO(attention.name);
    CHECK(events.at(attention.name + ".kv") == attention.kv_coincidences);
    CHECK(events.at(attention.name + ".qkv") == attention.qkv_q_gated_adds);
  }
}

}  // namespace

TEST_CASE("golden Meta-SpikeFormer: events of the chip are the counts of the fused network") {
  const Folder folder;
  record(folder / "t.h5", golden_spikeformer(), load_npz(kGolden + "meta_spikeformer/weights.npz"),
         golden_images(), 4);
  const ChipSpec chip = load_chip("loihi2", {"chip.chips_x=8", "chip.chips_y=8"});
  const Run run = price(folder / "t.h5", chip);
  CHECK(run.lowered.host.empty());
  check_events(run);
  CHECK(run.counts.totals.event_adds > 1000000);
  // The stem is sent once per sample, not once per step.
  const auto& counts = run.counts.layers[0];
  REQUIRE(counts.is_static);
  int64_t stem = -1;
  for (size_t q = 0; q < run.lowered.layers.size(); ++q) {
    if (run.lowered.graph.node(run.lowered.layers[q]).name == counts.name)
      stem = run.result.events[q];
  }
  CHECK(stem > 0);
  CHECK(stem <= counts.dense_macs_once);
  CHECK(stem > counts.dense_macs_once * 9 / 10);  // padding is not delivered
}

TEST_CASE("golden spiking LMUFormer: events of the chip are the counts of the fused network") {
  const Folder folder;
  record(folder / "t.h5", golden_lmuformer(), load_npz(kGolden + "lmuformer/spiking/weights.npz"),
         golden_sound(), 128);
  for (const char* chip : {"loihi1", "loihi1_sanafe", "loihi2", "horowitz45"}) {
    INFO(chip);
    const std::vector<std::string> grid = {"chip.chips_x=4", "chip.chips_y=4"};
    const Run run =
        price(folder / "t.h5",
              load_chip(chip, chip[0] == 'l' ? grid : std::vector<std::string>{"chip.cols=64"}));
    check_events(run);
  }
}

TEST_CASE("random spikes of other networks obey the laws at every level") {
  const Folder folder;
  SpikeformerConfig image;
  image.embed_dim = {4, 8, 8, 16};
  image.depths = {1, 1, 1, 2, 1};
  image.height = image.width = 32;
  image.num_heads = 4;
  image.num_classes = 5;
  image.kd = GENERATE(false, true);
  image.static_input = GENERATE(false, true);
  record_random(folder / "t.h5", build_spikeformer(image), 3, 0.4);
  const ChipSpec chip = load_chip("loihi2", {"chip.chips_x=4", "chip.chips_y=4"});
  const Run first = price(folder / "t.h5", chip, Level::kCounts);
  check_events(first);
  for (const Level level : {Level::kBottleneck, Level::kEvent}) {
    const Run run = price(folder / "t.h5", chip, level);
    CHECK(run.result.by_layer == first.result.by_layer);
    CHECK(run.result.by_core == first.result.by_core);
  }
}
