#include "run/precision.hpp"

#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {
namespace {

// Adds up the spikes of each channel of every population.
class ChannelCounter {
 public:
  explicit ChannelCounter(const Graph& graph) : populations_(populations_of(graph)) {
    for (const Population& p : populations_)
      counts_.emplace_back(static_cast<size_t>(channels_of(p.shape)), 0.0);
  }
  void add(const SpikeChunk& chunk) {
    for (size_t p = 0; p < populations_.size(); ++p) {
      if (populations_[p].levels != LevelRange()) continue;  // their readers keep fp32
      for (int64_t t = 0; t < chunk.steps; ++t) {
        const SpikeView view = chunk.spikes(p, t);
        for (int64_t row = 0; row < view.rows; ++row) {
          view.for_each(row, [&](int64_t c) { counts_[p][static_cast<size_t>(c)] += 1; });
        }
      }
    }
    steps_ += static_cast<double>(chunk.steps);
  }
  // By node.
  std::map<NodeId, std::vector<float>> rates() const {
    std::map<NodeId, std::vector<float>> result;
    for (size_t p = 0; p < populations_.size(); ++p) {
      const double most = steps_ * static_cast<double>(rows_of(populations_[p].shape));
      std::vector<float>& rate = result[populations_[p].node];
      for (const double count : counts_[p])
        rate.push_back(most > 0 ? static_cast<float>(count / most) : 0.0f);
    }
    return result;
  }

 private:
  std::vector<Population> populations_;
  std::vector<std::vector<double>> counts_;
  double steps_ = 0;
};

}  // namespace

PrecisionChoice read_precision(Config& config) {
  PrecisionChoice choice;
  if (config.text("run.precision", "fp32") == kPrecisionOfThePast.name)
    throw config.error_at("run.precision", std::string(kPrecisionOfThePast.reason));
  choice.precision = precision_named(config.choice(
      "run.precision", "fp32", {std::begin(kPrecisionNames), std::end(kPrecisionNames)}));
  choice.samples = config.integer("run.calibration", 8, 0, 100000);
  return choice;
}

InputRates measure_input_rates(const Model& model, std::shared_ptr<const Backend> backend,
                               const RateRun& run, int64_t& measured) {
  const auto plan = compile(model.graph, model.weights, std::move(backend),
                            {Schedule::kLayerMajor, run.chunk_steps, {}, true});
  Session session(plan);
  ChannelCounter counter(model.graph);
  int64_t seen = 0;
  for (int64_t index = 0; index < run.dataset.info().size && seen < run.samples; ++index) {
    Sample sample;
    try {
      sample = run.dataset.load(index);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kData) throw;
      continue;  // the run names it
    }
    ++seen;
    session.reset(index);
    // A sample of several chunks is calibrated on its first one.
    const int64_t steps = std::min(run.steps, run.chunk_steps - plan->look_ahead);
    if (!plan->graph.node(0).is_static && sample.frames.shape()[0] > steps)
      sample.frames = part_of(sample.frames, 0, steps);
    session.run_chunk(sample.frames, steps, run.threads, plan->look_ahead);
    counter.add(session.last_chunk());
  }
  measured = seen;
  const auto by_population = counter.rates();
  InputRates rates;
  for (NodeId id = 0; id < model.graph.size() && seen > 0; ++id) {
    if (weight_of(model.graph.node(id).op).empty()) continue;
    const auto found = by_population.find(source_of(model.graph, model.graph.node(id).inputs[0]));
    if (found != by_population.end()) rates[id] = found->second;
  }
  return rates;
}

QuantizedWeights in_precision(const Graph& graph, Weights weights, Precision precision,
                              const InputRates& rates) {
  QuantizedWeights result = quantize(graph, std::move(weights), precision, rates);
  if (precision != Precision::kF32 && result.layers.empty()) {
    throw Error(ErrorCode::kUsage,
                "run.precision = \"" + std::string(name_of(precision)) +
                    "\" changes no layer of this network: acc16 is for layers that read spikes, "
                    "bf16 for those that read one row of "
                    "real values per step (all of a token model), int8 for both");
  }
  return result;
}

}  // namespace spikeloom
