#include "tests/golden/lmuformer_run.hpp"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "tests/catch.hpp"

namespace spikeloom {

std::string lmuformer_file(const std::string& name) {
  return SPIKELOOM_SOURCE_DIR "/tests/golden/lmuformer/" + name;
}

namespace {

// Element i of the tensor `key`: an integer in [low, high].
class Formula {
 public:
  Formula(const std::string& key, uint64_t seed)
      : base_(fnv1a({reinterpret_cast<const uint8_t*>(key.data()), key.size()}) ^ seed) {}
  int64_t operator()(uint64_t i, int64_t low, int64_t high) const {
    uint64_t z = base_ + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return low + static_cast<int64_t>((z >> 11) % static_cast<uint64_t>(high - low + 1));
  }

 private:
  uint64_t base_;
};

struct Range {
  int64_t low, high;
  double unit;
};

Range range_of(const std::string& part, const nlohmann::json& row) {
  if (!row.contains("V")) {
    if (part == "bias") return {-128, 128, 1.0 / 1024};
    return {-row["a"].get<int64_t>(), row["a"].get<int64_t>(), 1.0 / 1024};
  }
  if (part == "weight") return {256, 384, 1.0 / 256};
  if (part == "bias") {
    const int64_t b = row["b"];
    return {b - 48, b + 48, 1.0 / 256};
  }
  if (part == "running_mean") return {-32, 32, row["ms"].get<double>() / 256};
  return {192, 320, row["V"].get<double>() / 256};
}

}  // namespace

Weights formula_weights(const Graph& graph, const std::string& meta_file) {
  const auto meta = nlohmann::json::parse(std::ifstream(meta_file));
  Weights weights;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) {
      const size_t dot = parameter.name.rfind('.');
      const std::string part = parameter.name.substr(dot + 1);
      const Range range = range_of(part, meta["weight_table"][parameter.name.substr(0, dot)]);
      const Formula formula(parameter.name, meta["weight_seed"]);
      Tensor values(parameter.shape);
      for (uint64_t i = 0; i < values.f32().size(); ++i) {
        values.f32()[i] =
            static_cast<float>(static_cast<double>(formula(i, range.low, range.high)) * range.unit);
      }
      INFO(parameter.name);
      const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(values.data()),
                                           static_cast<size_t>(values.bytes()));
      CHECK(sha256_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}).substr(0, 16) ==
            meta["tensor_digests"][parameter.name]["sha256_f32le"].get<std::string>());
      weights.add(parameter.name, std::move(values));
    }
  }
  return weights;
}

Tensor sample_of(const Tensor& batch, int64_t b) {
  Tensor sample({batch.shape()[1], batch.shape()[2]});
  std::copy_n(batch.f32().begin() + b * sample.size(), sample.size(), sample.f32().begin());
  return sample;
}

void append_chunk(SequenceRecord& record, const Session& session) {
  const SpikeChunk chunk = session.last_chunk();
  const NodeId logits = *session.plan().graph.find_output("logits");
  record.spikes.resize(chunk.populations.size());
  for (int64_t t = 0; t < chunk.steps; ++t) {
    REQUIRE(static_cast<size_t>(chunk.first_step + t) == record.logits.size());
    for (size_t p = 0; p < chunk.populations.size(); ++p) {
      const SpikeView view = chunk.spikes(p, t);
      record.spikes[p].insert(record.spikes[p].end(), view.words, view.words + view.row_words());
    }
    const Tensor value = session.value(logits, t);
    record.logits.emplace_back(value.f32().begin(), value.f32().end());
  }
}

SequenceRecord run_sequence(Session& session, const Tensor& frames,
                            const std::vector<int64_t>& chunks, int threads) {
  const int64_t steps = frames.shape()[0], channels = frames.shape()[1];
  const int64_t look_ahead = session.plan().look_ahead, most = session.plan().options.chunk_steps;
  SequenceRecord record;
  int64_t done = 0;
  for (size_t i = 0; done < steps + look_ahead; ++i) {
    const int64_t length = chunks[std::min(i, chunks.size() - 1)];
    const int64_t fed = std::min(length, std::max<int64_t>(steps - done, 0));
    const bool ends = done + fed >= steps;
    const int64_t left = steps + look_ahead - std::max(done, steps);
    const int64_t drained =
        ends ? std::min(left, std::max(length, std::min(most, fed + left)) - fed) : 0;
    Tensor part({fed, channels});
    std::copy_n(frames.f32().begin() + done * channels, fed * channels, part.f32().begin());
    session.run_chunk(part, fed, threads, drained);
    append_chunk(record, session);
    done += fed + drained;
  }
  return record;
}

std::shared_ptr<const Plan> sequence_plan(const LmuformerConfig& config, const Weights& stored,
                                          std::shared_ptr<const Backend> backend,
                                          PlanOptions options) {
  const Graph graph = build_lmuformer(config);
  return compile(graph, bind_weights(graph, stored), std::move(backend), std::move(options));
}

int64_t differing_spikes(const SequenceRecord& record, const Plan& plan, const Weights& golden,
                         int64_t sample) {
  int64_t differing = 0;
  const auto steps = static_cast<int64_t>(record.logits.size());
  for (size_t p = 0; p < plan.populations.size(); ++p) {
    const auto bits = golden.at(plan.populations[p].name).data.as<uint8_t>();
    const int64_t channels = channels_of(plan.populations[p].shape);
    const int64_t words = words_for(channels);
    for (int64_t i = 0; i < steps * channels; ++i) {
      const int64_t at = sample * steps * channels + i;
      const uint64_t word =
          record.spikes[p][static_cast<size_t>(i / channels * words + (i % channels >> 6))];
      const bool expected = (bits[static_cast<size_t>(at >> 3)] >> (7 - (at & 7))) & 1;
      differing += expected != ((word >> (i % channels & 63)) & 1);
    }
  }
  return differing;
}

LmuformerConfig small_config(bool spiking) {
  LmuformerConfig config;
  config.spiking = spiking;
  config.in_channels = 40;
  config.dim = 48;
  config.num_classes = 12;
  return config;
}

PlanOptions whole(int64_t steps) {
  return {Schedule::kLayerMajor, steps + kLookAhead, {}};
}

std::vector<std::shared_ptr<const Backend>> all_backends() {
  std::vector<std::shared_ptr<const Backend>> backends = {make_reference_backend()};
  for (const std::string& simd : cpu_simd_targets()) backends.push_back(make_cpu_backend(simd));
  return backends;
}

float worst(const std::vector<float>& got, std::span<const float> wanted) {
  float result = 0;
  for (size_t i = 0; i < got.size(); ++i) result = std::max(result, std::abs(got[i] - wanted[i]));
  return result;
}

float worst_logit(const SequenceRecord& record, const Tensor& golden, int64_t sample) {
  const int64_t batch = golden.shape()[1], classes = golden.shape()[2];
  REQUIRE(static_cast<int64_t>(record.logits.size()) == golden.shape()[0]);
  float result = 0;
  for (int64_t t = 0; t < golden.shape()[0]; ++t) {
    const auto row = golden.f32().subspan(static_cast<size_t>((t * batch + sample) * classes),
                                          static_cast<size_t>(classes));
    result = std::max(result, worst(record.logits[static_cast<size_t>(t)], row));
  }
  return result;
}

}  // namespace spikeloom
