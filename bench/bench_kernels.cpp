#include "bench/bench_kernels.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "bench/bench_engine.hpp"
#include "bench/bench_onednn.hpp"
#include "core/error.hpp"
#include "core/memory_limit.hpp"
#include "run/cpu_choice.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"

namespace spikeloom {
namespace {

struct Competitor {
  const char* name;
  DenseType type;
  double nmse;
};
// Largest accepted errors against the engine's fp32 sums: of another order of summation, of 8
// significant bits, of steps of 1/127 of a channel's largest weight.
constexpr double kOtherOrder = 1e-7, kRounded = 1e-4, kCoarse = 1e-3;
constexpr Competitor kCompetitors[] = {{"oneDNN f32", DenseType::kF32, kOtherOrder},
                                       {"oneDNN bf16", DenseType::kBf16, kRounded},
                                       {"oneDNN int8", DenseType::kInt8, kCoarse}};

double accepted(Precision precision) {
  switch (precision) {
    case Precision::kF32: return 0;
    case Precision::kAcc16:
    case Precision::kBF16: return kRounded;
    case Precision::kInt8: break;
  }
  return kCoarse;
}

double nmse(const Tensor& values, const Tensor& expected) {
  double error = 0, power = 0;
  const auto a = values.f32(), b = expected.f32();
  for (size_t i = 0; i < b.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error += difference * difference;
    power += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return power > 0 ? error / power : error;
}

Error differs(const BenchLayer& layer, const std::string& what) {
  return {ErrorCode::kInternal, fmt::format("{}: {}", layer.name, what)};
}

// Everything that takes part under one set of conditions.
class Field {
 public:
  Field(const BenchOptions& options, KernelResult& result)
      : options_(options),
        result_(result),
        threads_(static_cast<int>(result.threads)),
        data_(make_data(result.layer, result.steps, result.asked, result.pattern)),
        weights_(*weights_of(result.layer, Precision::kF32)) {
    const BenchLayer& layer = result.layer;
    result.rate = layer.real ? 1.0 : data_.rate;
    result.spikes = data_.spikes;
    result.additions = data_.additions;
    result.macs = data_.macs;
    result.neuron_steps = data_.neuron_steps;
    const bool sums = layer.kind != BenchLayerKind::kLif;
    if (sums) {
      EngineLayer exact(layer, data_, weights_, make_chosen_cpu_backend(options.cpu),
                        {.threads = threads_});
      exact.run();
      sums_ = exact.sums();
    }
    for (const std::string& name : options.precisions) {
      const auto weights = weights_of(layer, precision_named(name));
      if (weights) add_precision(name, *weights);
    }
    if (options.reference && sums) add_reference();
    for (const Competitor& competitor : kCompetitors) add_competitor(competitor);
  }

  void measure(std::function<void(int64_t)> told) {
    contenders_.push_back(clock_contender());
    Turns turns = options_.turns;
    turns.told = std::move(told);
    turns.threads = threads_;
    turns.warm = true;
    result_.timings = take_turns(contenders_, turns);
    result_.clock_hz = kClockChain / result_.timings.back().median();
    result_.timings.pop_back();
  }

 private:
  EngineLayer& add_engine(const std::string& name, std::shared_ptr<const Backend> backend,
                          const Weights& weights, EngineForm form) {
    form.threads = threads_;
    form.sums = &results_;
    engines_.push_back(
        std::make_unique<EngineLayer>(result_.layer, data_, weights, std::move(backend), form));
    EngineLayer* engine = engines_.back().get();
    engine->run();
    contenders_.push_back(contender(name, threads_, [engine] { engine->run(); }));
    return *engine;
  }

  // Which paths a layer has: neurons alone have no sums; real operands no events; binary attention
  // no dense form. Spikes and integer weights have dense kernels of their own; the others read the
  // spikes as numbers.
  void add_precision(const std::string& name, const Weights& weights) {
    const BenchLayer& layer = result_.layer;
    const double most = accepted(precision_named(name));
    const auto backend = make_chosen_cpu_backend(options_.cpu);
    const bool sums = layer.kind != BenchLayerKind::kLif;
    const bool events = !layer.real, dense = sums && layer.kind != BenchLayerKind::kAttention;
    const bool own_dense =
        events && (layer.kind == BenchLayerKind::kLinear || layer.kind == BenchLayerKind::kConv) &&
        !layer.depthwise() && precision_named(name) != Precision::kF32;
    const auto dense_backend =
        own_dense ? make_cpu_backend(backend->simd(), {.path = SumPath::kDense}) : backend;
    const EngineLayer* event_lif = nullptr;
    Tensor event;
    if (events) {
      event = add_engine(name + " event", backend, weights, {}).sums();
      event_lif = &add_engine(name + " event lif", backend, weights, {.neuron = true});
      check_sums(event, most);
    }
    if (dense) {
      const Tensor values =
          add_engine(name + " dense", dense_backend, weights, {.dense = !own_dense}).sums();
      check_sums(values, most);
      if (events) check_same(event, values);
    }
    if (dense || !sums) {
      const EngineLayer& other = add_engine(name + " dense lif", dense_backend, weights,
                                            {.dense = !own_dense, .neuron = true});
      if (events && event_lif->spikes() != other.spikes())
        throw differs(layer, "spikes of the event and the dense path differ");
    }
  }

  void add_reference() {
    const EngineLayer& reference = add_engine("reference", make_reference_backend(), weights_, {});
    check_same(sums_, reference.sums());
  }

  void add_competitor(const Competitor& competitor) {
    const auto dense = onednn_layer(result_.layer, data_, weights_, competitor.type, threads_);
    if (!dense) return;
    dense->run();
    check_sums(dense->sums(), competitor.nmse);
    contenders_.push_back(contender(competitor.name, threads_, dense->run));
  }

  void check_sums(const Tensor& values, double most) const {
    const double error = nmse(values, sums_);
    if (!(error <= most))
      throw differs(result_.layer, fmt::format("a result is off by an NMSE of {:.3g}", error));
  }
  void check_same(const Tensor& a, const Tensor& b) const {
    if (std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) != 0)
      throw differs(result_.layer, "sums of two paths of the engine differ");
  }

  const BenchOptions& options_;
  KernelResult& result_;
  int threads_;
  LayerData data_;
  Weights weights_;
  std::vector<std::unique_ptr<EngineLayer>> engines_;
  std::vector<Contender> contenders_;
  Tensor sums_;     // the engine's in fp32
  Tensor results_;  // of the engine's layers, in turns
};

// Bytes that a layer's contenders keep together. Doubles: extents multiply beyond 64 bits.
double kernel_need(const KernelResult& one, const BenchOptions& options) {
  const BenchLayer& layer = one.layer;
  const auto steps = static_cast<double>(one.steps), in = static_cast<double>(layer.in),
             out = static_cast<double>(layer.out);
  const double rows = layer.kind == BenchLayerKind::kConv ? std::pow(layer.size, 2) : layer.rows;
  const double operands = static_cast<double>(operands_of(layer).size());
  double weights = 0;
  if (layer.kind == BenchLayerKind::kLinear || layer.kind == BenchLayerKind::kConv)
    weights = 4 * in * out * std::pow(layer.kernel, 2) / static_cast<double>(layer.groups);
  if (layer.kind == BenchLayerKind::kLmu)  // the system in double, its responses
    weights = out * (8 * out + 4 * static_cast<double>(layer.sequence));
  // As made, by the reference, and packed for events and dense, each with and without neurons.
  double copies = options.reference ? 2 : 1;
  for (const std::string& precision : options.precisions)
    copies += precision_named(precision) == Precision::kF32 ? 4 : 2;
  // Operands as numbers and bits; the sums that are expected, given and compared.
  return copies * weights + steps * rows * (operands * in * 4.125 + 3 * out * 4);
}

void check_memory(const KernelResult& one, const BenchOptions& options) {
  const double needed = kernel_need(one, options);
  const MemoryLimit limit = memory_limit();
  if (needed <= limit.left) return;
  throw Error(ErrorCode::kCapacity,
              fmt::format("bench kernels, {}, T {}: this takes {:.2f} GB of memory, and {} leaves "
                          "{:.2f} of {:.2f} GB; a smaller --layer or fewer --steps take less",
                          one.layer.name, one.steps, needed / 1e9, limit.what, limit.left / 1e9,
                          limit.limit / 1e9));
}

// The conditions a layer is measured under: rates mean nothing to real operands, the memory has its
// own number of steps.
std::vector<KernelResult> conditions(const BenchLayer& layer, const BenchOptions& options) {
  const std::vector<double> rates = layer.real ? std::vector<double>{1.0} : options.rates;
  const std::vector<int64_t> steps =
      layer.sequence > 0 ? std::vector<int64_t>{layer.sequence} : options.steps;
  std::vector<Pattern> patterns = {Pattern::kIndependent};
  if (options.correlated && !layer.real) {
    patterns.push_back(Pattern::kRows);
    if (layer.in > 1) patterns.push_back(Pattern::kChannels);
  }
  std::vector<KernelResult> results;
  for (const int64_t threads : options.threads) {
    for (const int64_t t : steps) {
      for (const Pattern pattern : patterns) {
        for (const double rate : rates) {
          if (pattern != Pattern::kIndependent && rate >= 1) continue;  // all patterns are equal
          results.push_back({.layer = layer,
                             .steps = t,
                             .threads = threads,
                             .pattern = pattern,
                             .asked = rate,
                             .timings = {}});
        }
      }
    }
  }
  return results;
}

}  // namespace

std::vector<KernelResult> run_kernels(const BenchOptions& options,
                                      const std::function<void(const KernelResult&)>& done) {
  // Before the first one starts: none shall end what took hours.
  int64_t total = 0;
  for (const std::string& name : options.layers) {
    for (const KernelResult& one : conditions(parse_layer(name), options)) {
      check_memory(one, options);
      total += options.turns.rounds;
    }
  }
  std::vector<KernelResult> all;
  for (const std::string& name : options.layers) {
    for (KernelResult& result : conditions(parse_layer(name), options)) {
      const auto before = std::ssize(all) * options.turns.rounds;
      const auto told = [&](int64_t round) {
        options.observer.report({"measuring", before + round, total, name});
      };
      told(0);
      Field(options, result).measure(told);
      done(result);
      all.push_back(std::move(result));
    }
  }
  return all;
}

double times_faster(const KernelResult& result, std::string_view base, std::string_view contender) {
  const Timing* mine = find_timing(result.timings, base);
  const Timing* other = find_timing(result.timings, contender);
  if (mine == nullptr || other == nullptr) return std::numeric_limits<double>::quiet_NaN();
  return other->median() / mine->median();
}

namespace {

// Where the ratios, one per result, fall through 1 for the first time.
Crossover crossing_of(const std::vector<const KernelResult*>& line,
                      const std::vector<double>& ratios) {
  if (ratios.front() <= 1) return {"", "", Crossing::kSlower, 0};
  for (size_t i = 1; i < ratios.size(); ++i) {
    if (ratios[i] > 1) continue;
    const double before = std::log(ratios[i - 1]), now = std::log(ratios[i]);
    const double from = line[i - 1]->rate, to = line[i]->rate;
    return {"", "", Crossing::kAt, from + (to - from) * before / (before - now)};
  }
  return {"", "", Crossing::kFaster, 0};
}

}  // namespace

std::vector<Crossover> crossovers(const std::vector<const KernelResult*>& line,
                                  const std::vector<std::string>& precisions) {
  std::vector<Crossover> found;
  for (const std::string& precision : precisions) {
    std::vector<std::string> others = {precision + " dense"};
    for (const Competitor& competitor : kCompetitors) others.emplace_back(competitor.name);
    for (const std::string& other : others) {
      std::vector<double> ratios;
      for (const KernelResult* result : line)
        ratios.push_back(times_faster(*result, precision + " event", other));
      if (ratios.empty() || std::isnan(ratios.front())) continue;  // did not take part
      found.push_back(crossing_of(line, ratios));
      found.back().precision = precision;
      found.back().contender = other;
    }
  }
  return found;
}

}  // namespace spikeloom
