#pragma once
// A small hand-built network and random spikes for the tests of sim/trace: sinks are fed directly,
// nothing is simulated.

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/io/temporary.hpp"
#include "sim/plan/trace_sink.hpp"
#include "sim/trace/recorder.hpp"
#include "sim/trace/trace_file.hpp"
#include "tests/catch.hpp"

namespace spikeloom::trace_test {

// Channels and heads of the attention; 70 / 10 and 140 / 2 put heads across words.
inline const std::vector<std::pair<int64_t, int64_t>> kWidths = {
    {1, 1}, {7, 7}, {8, 2}, {13, 1}, {64, 4}, {70, 1}, {70, 10}, {140, 2}, {130, 1}};

// Maps and tokens, attention with its K seen through a View, a vector at the end. 3 x 2 pixels,
// `channels` channels.
inline Graph make_graph(int64_t channels, int64_t heads) {
  Graph graph;
  const NodeId image = graph.add("input", Input{{3, 2, 4}, true});
  const NodeId conv =
      graph.add("stem.conv", Conv2d{4, channels, 1, 1, 0, 1, "stem.w", ""}, {image});
  const NodeId stem = graph.add("stem.lif", Neuron{lif(2.0f)}, {conv});
  const NodeId tokens = graph.add("tokens", View{{6, channels}}, {stem});
  const auto linear = [&](const std::string& name, NodeId from) {
    return graph.add(name, Linear{channels, channels, 0, name + ".w", ""}, {from});
  };
  const auto neuron = [&](const std::string& name, NodeId from) {
    return graph.add(name, Neuron{lif(2.0f)}, {from});
  };
  const NodeId q = neuron("block.attn.q_lif", linear("block.attn.q", tokens));
  const NodeId k_map = neuron("block.attn.k_lif", linear("block.attn.k", stem));
  const NodeId k = graph.add("block.attn.k_tokens", View{{6, channels}}, {k_map});
  const NodeId v = neuron("block.attn.v_lif", linear("block.attn.v", tokens));
  const NodeId kv = graph.add("block.attn.kv", KtV{heads}, {k, v});
  const NodeId qkv = graph.add("block.attn.qkv", QApply{heads, 0.125f}, {q, kv});
  const NodeId out = neuron("block/attn/out_lif", qkv);
  const NodeId mean = graph.add("mean", SpatialMean{}, {linear("head.pre", out)});
  const NodeId head = neuron("head.lif", mean);
  graph.output("logits", linear("head.fc", head));
  return graph;
}

// Spikes of a whole run: [sample][step][population].
struct Run {
  std::vector<Population> populations;
  std::vector<std::vector<std::vector<SpikeTensor>>> spikes;
  std::vector<int64_t> labels, predictions, first_steps;
};

// Population p fires with `density` of (p + 1) / populations.
inline Run make_run(const Graph& graph, const std::vector<int64_t>& steps, double density,
                    uint32_t seed) {
  Run run;
  run.populations = populations_of(graph);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  int64_t first = 0;
  for (size_t s = 0; s < steps.size(); ++s) {
    std::vector<std::vector<SpikeTensor>> sample;
    for (int64_t t = 0; t < steps[s]; ++t) {
      std::vector<SpikeTensor> step;
      for (size_t p = 0; p < run.populations.size(); ++p) {
        const Shape& shape = run.populations[p].shape;
        const int64_t rows = run.populations[p].rows();
        SpikeTensor bits(rows, channels_of(shape));
        const double rate =
            density * static_cast<double>(p + 1) / static_cast<double>(run.populations.size());
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t c = 0; c < channels_of(shape); ++c) {
            if (uniform(random) < rate) bits.set(r, c);
          }
        }
        step.push_back(std::move(bits));
      }
      sample.push_back(std::move(step));
    }
    run.spikes.push_back(std::move(sample));
    run.labels.push_back(static_cast<int64_t>(s) % 10);
    run.predictions.push_back(static_cast<int64_t>(s * 3) % 10);
    run.first_steps.push_back(first);
    first += steps[s];
  }
  return run;
}

// Steps [first, first + count) of one sample as the chunk a session would show.
inline void feed_chunk(const Run& run, size_t sample, int64_t first, int64_t count,
                       TraceSink& sink) {
  std::vector<std::vector<uint64_t>> memory;
  std::vector<const uint64_t*> bits;
  std::vector<int64_t> words;
  for (size_t p = 0; p < run.populations.size(); ++p) {
    std::vector<uint64_t> block;
    int64_t step_words = 0;
    for (int64_t t = 0; t < count; ++t) {
      const SpikeView view = run.spikes[sample][static_cast<size_t>(first + t)][p].view();
      step_words = view.rows * view.row_words();
      block.insert(block.end(), view.words, view.words + step_words);
    }
    memory.push_back(std::move(block));
    words.push_back(step_words);
  }
  for (const auto& block : memory) bits.push_back(block.data());
  sink.chunk({run.populations, first, count, bits, words});
}

inline void feed_sample(const Run& run, size_t sample, int64_t chunk_steps, TraceSink& sink) {
  const auto steps = static_cast<int64_t>(run.spikes[sample].size());
  sink.begin_sample({static_cast<int64_t>(sample), run.labels[sample], run.first_steps[sample]});
  for (int64_t t = 0; t < steps; t += chunk_steps) {
    feed_chunk(run, sample, t, std::min(chunk_steps, steps - t), sink);
  }
  sink.end_sample({steps, run.predictions[sample]});
}

inline void feed(const Run& run, int64_t chunk_steps, TraceSink& sink) {
  for (size_t s = 0; s < run.spikes.size(); ++s) feed_sample(run, s, chunk_steps, sink);
}

// A folder of its own, removed at the end.
// The temporary file that is to become `path`; empty: there is none.
inline std::filesystem::path temporary_of(const std::filesystem::path& path) {
  for (const auto& entry : std::filesystem::directory_iterator(path.parent_path())) {
    if (is_temporary_name(entry.path().filename().string(), path.filename().string()))
      return entry.path();
  }
  return {};
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "spikeloom-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// What opening says, "" when it opens.
inline std::string refusal(const std::filesystem::path& path) {
  try {
    const TraceFile trace(path);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    return error.what();
  }
  return "";
}

inline RecorderOptions options_for(const std::filesystem::path& path) {
  RecorderOptions options;
  options.path = path;
  options.config_json = "{}\n";
  options.graph_json = "{\"form\": \"as_written\"}\n";
  options.run_id = "test";
  options.generator = "spikeloom test";
  options.dt_ms = 0.1;
  return options;
}

}  // namespace spikeloom::trace_test
