#include "bench/bench_nets.hpp"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <memory>

#include "bench/bench_calibrate.hpp"
#include "bench/bench_child.hpp"
#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/rng.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "run/cpu_choice.hpp"
#include "run/memory.hpp"
#include "run/process.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {
namespace {

constexpr uint64_t kSeed = 1;

// A way to run a network; one call is one image, token or sequence.
enum class NetForm { kAsWritten, kFused, kToken, kSequence, kStream };

std::string_view name_of(NetForm form) {
  constexpr std::string_view kNames[] = {"as_written", "fused", "token", "sequence", "stream"};
  return kNames[static_cast<size_t>(form)];
}

// A network, its input and the same network for the competitors' driver.
struct Net {
  Graph graph;
  Tensor frames;  // of one sample
  int64_t steps = 1;
  std::string input, unit;
  std::vector<NetForm> forms;
  std::vector<std::string> rival;
};

using Rivals = std::vector<std::unique_ptr<RivalChild>>;

// In the order of kRivals.
Rivals start_rivals(const Net& net, const BenchOptions& options) {
  Rivals rivals;
  for (const std::string_view name : kRivals) {
    std::vector<std::string> arguments = {std::string(name)};
    arguments.insert(arguments.end(), net.rival.begin(), net.rival.end());
    rivals.push_back(std::make_unique<RivalChild>(options.python, options.driver, arguments));
  }
  return rivals;
}

Tensor random_frames(Shape shape) {
  Tensor frames(std::move(shape));
  uint64_t index = 0;
  for (float& value : frames.f32()) value = 4 * random_uniform(kSeed, 0, index++) - 2;
  return frames;
}

template <typename... Numbers>
std::vector<std::string> words(std::string kind, Numbers... numbers) {
  return {std::move(kind), std::to_string(numbers)...};
}

Net spikeformer(SpikeformerConfig config, int64_t size) {
  constexpr int64_t kSteps = 4;
  config.height = config.width = size;
  const auto& e = config.embed_dim;
  return {build_spikeformer(config),
          random_frames({1, size, size, config.in_channels}),
          kSteps,
          fmt::format("T {}, {}x{}", kSteps, size, size),
          "image",
          {NetForm::kAsWritten, NetForm::kFused},
          words("spikeformer", e[0], e[1], e[2], e[3], config.num_heads, size, kSteps,
                config.num_classes)};
}

Net spikegpt(SpikeGptConfig config) {
  constexpr int64_t kTokens = 16;
  config.binary_embedding = false;
  Tensor tokens({kTokens, 1});
  for (int64_t t = 0; t < kTokens; ++t)
    tokens.f32()[static_cast<size_t>(t)] = static_cast<float>(t * 7919 % config.vocabulary);
  return {build_spikegpt(config),
          std::move(tokens),
          kTokens,
          "one token after the other",
          "token",
          {NetForm::kToken},
          words("spikegpt", config.layers, config.width, config.vocabulary)};
}

Net lmuformer(const LmuformerConfig& config) {
  return {build_lmuformer(config),
          random_frames({config.seq_len, config.in_channels}),
          config.seq_len,
          fmt::format("{} frames of {}", config.seq_len, config.in_channels),
          "sequence",
          {NetForm::kSequence, NetForm::kStream},
          words("lmuformer", config.in_channels, config.dim, config.seq_len, config.num_classes)};
}

Net make_net(const std::string& name) {
  if (name == "meta15m") return spikeformer(spikeformer_preset("15M"), 224);
  if (name == "meta55m") return spikeformer(spikeformer_preset("55M"), 224);
  if (name == "spikegpt216m") return spikegpt({.layers = 18, .width = 768, .vocabulary = 50277});
  if (name == "lmuformer") return lmuformer({});
  if (name == "meta_tiny") {
    SpikeformerConfig config;
    config.embed_dim = {8, 16, 32, 48};
    config.num_classes = 10;
    return spikeformer(config, 32);
  }
  if (name == "spikegpt_tiny") return spikegpt({.layers = 2, .width = 32, .vocabulary = 100});
  return lmuformer({.seq_len = 16, .theta = 16, .in_channels = 8, .num_classes = 4, .dim = 16});
}

int64_t two_layers(const Graph& graph, int64_t steps) {
  const auto bytes = [&](const Node& node) {
    return 4 * rows_of(node.shape) * padded(channels_of(node.shape)) * (node.is_static ? 1 : steps);
  };
  int64_t most = 0;
  for (const Node& node : graph.nodes()) {
    for (const NodeId input : node.inputs)
      most = std::max(most, bytes(node) + bytes(graph.node(input)));
  }
  return most;
}

// How a form is planned; `graph` as it is executed.
PlanOptions plan_of(const Net& net, NetForm form, const Graph& graph) {
  const bool steps_alone = form == NetForm::kToken || form == NetForm::kStream;
  const int64_t chunk = steps_alone ? 1 : net.steps + look_ahead_of(graph);
  return {Schedule::kLayerMajor, chunk, {}, !steps_alone};
}

// All forms and precisions of a match are in memory together.
void check_match(const std::string& name, const Net& net, const BenchOptions& options) {
  std::vector<MemoryPlan> plans;
  for (const NetForm form : net.forms) {
    for (const std::string& precision : options.precisions) {
      MemoryPlan& plan = plans.emplace_back();
      plan.options = plan_of(net, form, net.graph);
      plan.precision = precision_named(precision);
      plan.fuses = form == NetForm::kFused;
    }
  }
  try {
    check_memory(net.graph, plans,
                 options.precisions.size() > 1 ? "one --precision at a time takes less"
                                               : "a smaller --net takes less");
  } catch (const Error& error) {
    throw error.in("bench nets, " + name);
  }
}

// A network made ready: one form, one session.
class Runner {
 public:
  Runner(const Net& net, NetForm form, Graph graph, const Weights& weights, const CpuOptions& cpu)
      : net_(net), form_(form) {
    malloc_trim(0);  // what was freed shall not hide what is needed
    reset_peak();
    const int64_t before = peak_bytes();
    const PlanOptions options = plan_of(net, form, graph);
    const int64_t chunk = options.chunk_steps;
    session_ = std::make_unique<Session>(
        compile(std::move(graph), weights, make_chosen_cpu_backend(cpu), options));
    run(1);
    const Plan& plan = session_->plan();
    memory_ = {weights.bytes(), plan.session_bytes(), two_layers(plan.graph, chunk),
               peak_bytes() - before};
  }

  // One image, token or sequence.
  void run(int threads) {
    switch (form_) {
      case NetForm::kToken: return next_token(threads);
      case NetForm::kStream: return stream(threads);
      default: break;
    }
    session_->reset();
    session_->run_chunk(net_.frames, net_.steps, threads, session_->plan().look_ahead);
  }

  // Adds the spikes and neuron steps of one sample, by population.
  void count(std::vector<double>& spikes, std::vector<double>& all) {
    session_->reset();
    if (form_ == NetForm::kToken) {
      for (int64_t t = 0; t < net_.steps; ++t) {
        next_token(1);
        add_chunk(spikes, all);
      }
      return;
    }
    run(1);
    add_chunk(spikes, all);
  }

  const NetMemory& memory() const noexcept { return memory_; }

 private:
  void next_token(int threads) {
    Tensor token({1, 1});
    token.f32()[0] = net_.frames.f32()[static_cast<size_t>(session_->steps_done() % net_.steps)];
    session_->run_chunk(token, 1, threads);
  }
  void stream(int threads) {
    session_->reset();
    const int64_t channels = net_.frames.shape()[1];
    Tensor frame({1, channels});
    for (int64_t t = 0; t < net_.steps; ++t) {
      std::copy_n(net_.frames.f32().begin() + t * channels, channels, frame.f32().begin());
      session_->run_chunk(frame, 1, threads);
    }
    for (int64_t t = 0; t < session_->plan().look_ahead; ++t)
      session_->run_chunk(frame, 0, threads, 1);
  }
  void add_chunk(std::vector<double>& spikes, std::vector<double>& all) const {
    const SpikeChunk chunk = session_->last_chunk();
    spikes.resize(chunk.populations.size());
    all.resize(chunk.populations.size());
    for (size_t p = 0; p < chunk.populations.size(); ++p) {
      if (!chunk.populations[p].is_neuron) continue;
      for (int64_t t = 0; t < chunk.steps; ++t) {
        spikes[p] += static_cast<double>(chunk.spikes(p, t).count());
        all[p] += static_cast<double>(element_count(chunk.populations[p].shape));
      }
    }
  }

  const Net& net_;
  NetForm form_;
  std::unique_ptr<Session> session_;
  NetMemory memory_;
};

// One network at one firing rate: all forms and precisions, ready to take turns.
class Match {
 public:
  Match(const std::string& name, const Net& net, const BenchOptions& options, double rate,
        Rivals& rivals)
      : rivals_(rivals), cpu_(options.cpu) {
    result_.net = name;
    result_.input = net.input;
    result_.unit = net.unit;
    result_.asked = rate;
    result_.parameters = parameter_count(net.graph);
    for (const auto& rival : rivals) result_.rivals.push_back(rival->about());
    const Weights weights = random_weights(net.graph, kSeed);
    const Graph graph =
        with_thresholds(net.graph, calibrate(net.graph, weights, net.frames, net.steps, rate));
    const Model written{graph, weights};
    for (const NetForm form : net.forms) {
      const Model model =
          form == NetForm::kFused ? fuse(graph, weights, options.threads.back()) : written;
      for (const std::string& precision : options.precisions) add(precision, net, form, model);
    }
    count_rates();
  }

  NetResult measure(const Turns& asked, int threads, std::function<void(int64_t)> told) {
    std::vector<Contender> contenders;
    for (const auto& [label, runner] : runners_) {
      contenders.push_back(
          contender(label, threads, [one = runner.get(), threads] { one->run(threads); }));
    }
    for (size_t i = 0; i < rivals_.size(); ++i) {
      RivalChild* rival = rivals_[i].get();
      if (!rival->ready()) continue;
      contenders.push_back({std::string(kRivals[i]), [rival, threads](int64_t calls) {
                              return rival->run(threads, calls);
                            }});
    }
    Turns turns = asked;
    turns.threads = threads;
    turns.told = std::move(told);
    NetResult result = result_;
    result.threads = threads;
    result.timings = take_turns(contenders, turns);
    return result;
  }

 private:
  // Not where the precision changes nothing.
  void add(const std::string& precision, const Net& net, NetForm form, const Model& model) {
    Weights weights = model.weights;
    if (const Precision chosen = precision_named(precision); chosen != Precision::kF32) {
      QuantizedWeights quantized = quantize(model.graph, weights, chosen);
      if (quantized.layers.empty()) return;
      weights = std::move(quantized.weights);
    }
    const std::string label = fmt::format("{} {}", precision, name_of(form));
    runners_.emplace_back(label, std::make_unique<Runner>(net, form, model.graph, weights, cpu_));
    result_.memory.emplace_back(label, runners_.back().second->memory());
  }

  void count_rates() {
    if (runners_.empty()) return;
    std::vector<double> spikes, all;
    runners_.front().second->count(spikes, all);
    double sum = 0, neurons = 0;
    result_.least = 1;
    for (size_t p = 0; p < all.size(); ++p) {
      if (all[p] == 0) continue;
      ++result_.populations;
      sum += spikes[p];
      neurons += all[p];
      result_.least = std::min(result_.least, spikes[p] / all[p]);
      result_.most = std::max(result_.most, spikes[p] / all[p]);
    }
    result_.rate = neurons > 0 ? sum / neurons : 0;
  }

  Rivals& rivals_;
  CpuOptions cpu_;
  NetResult result_;
  std::vector<std::pair<std::string, std::unique_ptr<Runner>>> runners_;
};

}  // namespace

const std::vector<BenchNet>& bench_nets() {
  static const std::vector<BenchNet> nets = {
      {"meta15m", "Meta-SpikeFormer 15M, T 4, 224x224"},
      {"meta55m", "Meta-SpikeFormer 55M, T 4, 224x224"},
      {"spikegpt216m", "SpikeGPT of the published 216M shape, token by token"},
      {"lmuformer", "spiking LMUFormer, Speech Commands, 128 frames"},
      {"meta_tiny", "as meta15m, small"},
      {"spikegpt_tiny", "as spikegpt216m, small"},
      {"lmuformer_tiny", "as lmuformer, small"},
  };
  return nets;
}

void check_net(const std::string& name) {
  std::string known;
  for (const BenchNet& net : bench_nets()) {
    if (net.name == name) return;
    known += (known.empty() ? "" : ", ") + std::string(net.name);
  }
  throw Error(ErrorCode::kUsage, "--net: no network " + in_quotes(name) + "; there are " + known);
}

std::vector<NetResult> run_nets(const BenchOptions& options,
                                const std::function<void(const NetResult&)>& done) {
  // Before the first one starts: none shall end what took hours.
  for (const std::string& name : options.nets) check_match(name, make_net(name), options);
  std::vector<NetResult> results;
  const auto conditions = std::ssize(options.rates) * std::ssize(options.threads);
  const int64_t total = std::ssize(options.nets) * conditions * options.turns.rounds;
  for (const std::string& name : options.nets) {
    options.observer.report({"making " + name, 0, 0, ""});
    const Net net = make_net(name);
    Rivals rivals = start_rivals(net, options);
    for (const double rate : options.rates) {
      options.observer.report({"making " + name, 0, 0, ""});
      Match match(name, net, options, rate, rivals);
      for (const int64_t threads : options.threads) {
        const auto before = std::ssize(results) * options.turns.rounds;
        results.push_back(
            match.measure(options.turns, static_cast<int>(threads), [&](int64_t round) {
              options.observer.report({"measuring", before + round, total,
                                       fmt::format("{}, {} threads", name, threads)});
            }));
        done(results.back());
      }
    }
  }
  return results;
}

}  // namespace spikeloom
