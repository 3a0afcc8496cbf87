// Do we equal the authors' program? Golden set A of SpikeGPT: every spike of four networks, logits,
// recurrent states, membranes, non-zero counts; in chunks, token by token and across a save.

#include <algorithm>
#include <cmath>

#include "core/io/npz.hpp"
#include "core/io/weights_file.hpp"
#include "hw_model/energy/energy.hpp"
#include "models/spikegpt/classifier.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

const std::string kFolder = SPIKELOOM_SOURCE_DIR "/tests/golden/spikegpt/";

// One of the authors' programs on one network.
struct Case {
  std::string file, program;  // "train", "run" or "run_norescale"
  bool binary_embedding;
  int64_t rescale_every;
};
const Case kCases[] = {
    {"A1_char_binary", "train", true, 0},
    {"A1_char_binary", "run", true, 6},
    {"A2_bpe_real", "train", false, 0},
    {"A2_bpe_real", "run", false, 6},
    {"A3_deep_rescale", "train", false, 0},
    {"A3_deep_rescale", "run", false, 6},
    {"A3_deep_rescale", "run_norescale", false, 0},
    {"A4_ffnpre", "train", true, 0},
};
// The training program as published binarises every embedding.
const Case kBinarised[] = {
    {"A2_bpe_real", "train_unmodified_with_binary_embedding", true, 0},
    {"A3_deep_rescale", "train_unmodified_with_binary_embedding", true, 0},
};

struct Golden {
  Case c;
  Weights expected, weights;
  SpikeGptConfig config;
  Graph graph;
  int64_t sequences, tokens;

  explicit Golden(const Case& the_case)
      : c(the_case),
        expected(load_npz(kFolder + c.file + ".expected.npz")),
        weights(load_npz(kFolder + c.file + ".weights.npz")),
        config(spikegpt_config_of(weights)) {
    config.binary_embedding = c.binary_embedding;
    config.rescale_every = c.rescale_every;
    graph = build_spikegpt(config);
    weights = bind_weights(graph, weights);
    sequences = array("tokens").shape()[0];
    tokens = array("tokens").shape()[1];
  }
  const Tensor& array(const std::string& name) const { return expected.at(name).data; }
  const Tensor& of_program(const std::string& what) const { return array(c.program + "_" + what); }
  std::shared_ptr<const Plan> plan(std::shared_ptr<const Backend> backend, Schedule schedule,
                                   int64_t chunk) const {
    return compile(graph, weights, std::move(backend), {schedule, chunk, {}});
  }
  Tensor ids(int64_t sequence, int64_t first, int64_t count) const {
    Tensor result({count, 1});
    const auto from = array("tokens").as<int32_t>();
    for (int64_t t = 0; t < count; ++t) {
      result.f32()[static_cast<size_t>(t)] =
          static_cast<float>(from[static_cast<size_t>(sequence * tokens + first + t)]);
    }
    return result;
  }
};

// What a comparison found.
struct Difference {
  int64_t spikes = 0, compared = 0;
  double logits = 0;  // largest absolute difference
};

// Bit `channel` of a row packed with the first channel in the highest bit.
bool packed_bit(std::span<const uint8_t> bytes, int64_t row, int64_t width, int64_t channel) {
  const auto at = static_cast<size_t>(row * ((width + 7) / 8) + channel / 8);
  return (bytes[at] >> (7 - channel % 8)) & 1;
}

// Expected spikes of a population at a token, or nothing for masks.
std::optional<int64_t> expected_row(const Golden& g, const std::string& name, int64_t sequence,
                                    int64_t token) {
  if (name == "emb.spikes") return sequence * g.tokens + token;
  const size_t dot = name.rfind(".lif");
  if (dot == std::string::npos) return std::nullopt;
  const int64_t layer = std::stoll(name.substr(7)), which = name.back() - '1';
  return ((layer * 2 + which) * g.sequences + sequence) * g.tokens + token;
}

void compare_chunk(const Golden& g, const Session& session, int64_t sequence, Difference& sum) {
  const SpikeChunk chunk = session.last_chunk();
  const NodeId head = *g.graph.find_output("logits");
  const auto logits = g.of_program("logits").f32();
  for (int64_t t = 0; t < chunk.steps; ++t) {
    const int64_t token = chunk.first_step + t;
    for (size_t p = 0; p < chunk.populations.size(); ++p) {
      const std::string& name = chunk.populations[p].name;
      const auto row = expected_row(g, name, sequence, token);
      const bool embedding = name == "emb.spikes";
      if (!row || (embedding && !g.expected.contains("emb_spikes_packed"))) continue;
      const Tensor& packed =
          embedding ? g.array("emb_spikes_packed") : g.of_program("spikes_packed");
      const SpikeView spikes = chunk.spikes(p, t);
      for (int64_t c = 0; c < spikes.channels; ++c) {
        ++sum.compared;
        sum.spikes +=
            spikes.test(0, c) != packed_bit(packed.as<uint8_t>(), *row, g.config.width, c);
      }
    }
    const ValueRef got = session.view(head, t);
    const int64_t first = (sequence * g.tokens + token) * g.config.vocabulary;
    for (int64_t v = 0; v < g.config.vocabulary; ++v) {
      const float want = logits[static_cast<size_t>(first + v)];
      sum.logits =
          std::max(sum.logits, static_cast<double>(std::abs(got.real_row(0, 0)[v] - want)));
    }
  }
}

Difference run_and_compare(const Golden& g, const std::shared_ptr<const Plan>& plan, int threads) {
  Difference sum;
  Session session(plan);
  const int64_t chunk = plan->options.chunk_steps;
  for (int64_t sequence = 0; sequence < g.sequences; ++sequence) {
    session.reset();
    for (int64_t first = 0; first < g.tokens; first += chunk) {
      const int64_t count = std::min(chunk, g.tokens - first);
      session.run_chunk(g.ids(sequence, first, count), count, threads);
      compare_chunk(g, session, sequence, sum);
    }
  }
  return sum;
}

void check(const Golden& g, const Difference& difference) {
  CAPTURE(difference.spikes, difference.compared, difference.logits);
  CHECK(difference.compared >= 2 * g.config.layers * g.sequences * g.tokens * g.config.width);
  CHECK(difference.spikes == 0);
  CHECK(difference.logits <= 1e-5);
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(a[i] - b[i])));
  }
  return worst;
}

// Runs tokens [0, count) of a sequence and returns the state.
Weights state_after(const Golden& g, int64_t sequence, int64_t count) {
  Session session(g.plan(make_cpu_backend(), Schedule::kLayerMajor, count));
  session.run_chunk(g.ids(sequence, 0, count), count, 2);
  return session.save();
}

}  // namespace

TEST_CASE("the reference backend reproduces every golden spike of SpikeGPT") {
  for (const Case& c : kCases) {
    INFO(c.file << " " << c.program);
    const Golden g(c);
    check(g, run_and_compare(g, g.plan(make_reference_backend(), Schedule::kLayerMajor, 7), 1));
  }
}

TEST_CASE("the training program's binarised embedding is reproduced on the real-embedding nets") {
  for (const Case& c : kBinarised) {
    INFO(c.file);
    const Golden g(c);
    check(g, run_and_compare(g, g.plan(make_cpu_backend(), Schedule::kLayerMajor, 64), 2));
  }
}

TEST_CASE("every SIMD target, schedule, chunk and thread count reproduces every golden spike") {
  for (const Case& c : kCases) {
    const Golden g(c);
    for (const std::string& simd : cpu_simd_targets()) {
      const auto backend = make_cpu_backend(simd);
      for (const int64_t chunk : {int64_t{1}, int64_t{5}, g.tokens}) {
        for (const Schedule schedule : {Schedule::kLayerMajor, Schedule::kStepMajor}) {
          const int threads = chunk == 5 ? 3 : 1 + (schedule == Schedule::kStepMajor);
          INFO(c.file << " " << c.program << ", " << simd << ", chunks of " << chunk << ", "
                      << threads << " threads");
          check(g, run_and_compare(g, g.plan(backend, schedule, chunk), threads));
        }
      }
    }
  }
}

TEST_CASE("chunks and single tokens give the same bits, also on the reference backend") {
  const Golden g(kCases[5]);
  const NodeId head = *g.graph.find_output("logits");
  Session whole(g.plan(make_cpu_backend(), Schedule::kLayerMajor, g.tokens));
  whole.run_chunk(g.ids(0, 0, g.tokens), g.tokens, 2);
  for (const bool reference : {false, true}) {
    Session single(
        g.plan(reference ? make_reference_backend() : make_cpu_backend(), Schedule::kStepMajor, 1));
    int64_t differing = 0;
    for (int64_t t = 0; t < g.tokens; ++t) {
      single.run_chunk(g.ids(0, t, 1), 1, 1);
      const Tensor a = single.value(head, 0), b = whole.value(head, t);
      differing += !std::equal(a.f32().begin(), a.f32().end(), b.f32().begin());
    }
    CHECK(differing == 0);
    const Weights a = single.save(), b = whole.save();
    REQUIRE(a.names() == b.names());
    for (const std::string& name : a.names()) {
      INFO(name);
      const Tensor &left = a.at(name).data, &right = b.at(name).data;
      CHECK(std::equal(left.data(), left.data() + left.bytes(), right.data()));
    }
  }
}

TEST_CASE("saving and loading in the middle of a sequence changes nothing") {
  for (const Case& c : kCases) {
    INFO(c.file << " " << c.program);
    const Golden g(c);
    const int64_t half = g.tokens / 2;
    const auto plan = g.plan(make_cpu_backend(), Schedule::kLayerMajor, half);
    Difference sum;
    for (int64_t sequence = 0; sequence < g.sequences; ++sequence) {
      Session before(plan);
      before.run_chunk(g.ids(sequence, 0, half), half, 1);
      compare_chunk(g, before, sequence, sum);
      Session after(plan);
      after.load(before.save());
      after.run_chunk(g.ids(sequence, half, half), half, 1);
      compare_chunk(g, after, sequence, sum);
    }
    check(g, sum);
  }
}

TEST_CASE("the seven state vectors of every layer agree with the run-time's") {
  for (const Case& c : kCases) {
    if (c.program == "train") continue;
    INFO(c.file << " " << c.program);
    const Golden g(c);
    const int64_t e = g.config.width, layers = g.config.layers;
    const auto state = g.of_program("state").f32(), v = g.of_program("v").f32();
    for (int64_t sequence = 0; sequence < g.sequences; ++sequence) {
      for (const int64_t moment : {0, 1}) {
        const Weights saved = state_after(g, sequence, moment == 0 ? g.tokens / 2 : g.tokens);
        CHECK(saved.size() == static_cast<size_t>(7 * layers + 1));
        for (int64_t i = 0; i < layers; ++i) {
          const std::string block = "blocks." + std::to_string(i);
          const auto compare = [&](const std::string& slot, std::span<const float> rows,
                                   int64_t row, double tolerance) {
            INFO(block + slot);
            const auto want = rows.subspan(static_cast<size_t>(row * e), static_cast<size_t>(e));
            CHECK(largest_difference(saved.at(block + slot).data.f32(), want) <= tolerance);
          };
          const int64_t row = ((sequence * 2 + moment) * layers + i) * 5;
          compare(".ln2/history", state, row, 1e-5);
          compare(".ln1/history", state, row + 1, 1e-5);
          compare(".att.wkv/p", state, row + 2, 1e-4);
          compare(".att.wkv/q", state, row + 3, 1e-4);
          compare(".att.wkv/o", state, row + 4, 1e-5);
          for (const int64_t which : {0, 1}) {
            compare(which == 0 ? ".lif1/v" : ".lif2/v", v,
                    ((sequence * 2 + moment) * 2 + which) * layers + i, 2e-5);
          }
        }
      }
    }
  }
}

TEST_CASE("non-zero values behind relu^2 are counted and their products priced, nothing else") {
  for (const Case& c : kCases) {
    if (c.program != "train" || c.file == "A4_ffnpre") continue;
    INFO(c.file);
    const Golden g(c);
    const auto expected = g.array("train_ffn_hidden_nonzero").as<int32_t>();
    OpCounter counter(g.graph);
    Session session(g.plan(make_cpu_backend(), Schedule::kLayerMajor, g.tokens));
    for (int64_t sequence = 0; sequence < g.sequences; ++sequence) {
      session.reset();
      counter.begin_sample({sequence, -1, sequence * g.tokens});
      session.run_chunk(g.ids(sequence, 0, g.tokens), g.tokens, 2);
      counter.chunk(session.last_chunk());
      counter.end_sample({g.tokens, -1});
      const SpikeChunk chunk = session.last_chunk();
      for (size_t p = 0; p < chunk.populations.size(); ++p) {
        const std::string& name = chunk.populations[p].name;
        if (!name.ends_with(".ffn.nonzero")) continue;
        const int64_t layer = std::stoll(name.substr(7));
        for (int64_t t = 0; t < g.tokens; ++t) {
          const auto at = static_cast<size_t>((layer * g.sequences + sequence) * g.tokens + t);
          CHECK(std::abs(chunk.spikes(p, t).count() - expected[at]) <= 1);  // counted in float64
        }
      }
    }
    const OpCounts counts = count_operations(g.graph, counter.statistics());
    const int64_t e = g.config.width, layers = g.config.layers;
    const int64_t evaluations = g.sequences * g.tokens;
    CHECK(counts.evaluations == evaluations);
    CHECK(counts.totals.dense_macs ==
          evaluations * (13 * e * e * layers + g.config.vocabulary * e));
    CHECK(counts.totals.neuron_updates == evaluations * 2 * e * layers);
    CHECK(counts.totals.event_adds == 0);
    const CountedGraph counted{counts, {}};
    CHECK(as_built_energy(counted, Arithmetic::kFp32).total_pJ ==
          Approx(4.6 * static_cast<double>(counts.totals.real_macs_without_stem)).epsilon(1e-12));
    CHECK(paper_energy(counted, Arithmetic::kFp32).total_pJ ==
          Approx(4.6 * static_cast<double>(counts.totals.dense_macs)).epsilon(1e-12));
    int64_t nonzero = 0, listed = 0;
    for (const LayerCount& layer : counts.layers) {
      if (layer.nonzero_inputs < 0) continue;
      ++listed;
      nonzero += layer.nonzero_inputs;
      CHECK(layer.real_macs == layer.nonzero_inputs * e);
    }
    CHECK(listed == layers);
    CHECK(counts.totals.real_macs_without_stem ==
          evaluations * (9 * e * e * layers + g.config.vocabulary * e) + nonzero * e);
  }
}

TEST_CASE("an official checkpoint file is the same network as its arrays") {
  const Weights pth = load_weights(kFolder + "A4_ffnpre.pth");
  const Golden g(kCases[7]);
  CHECK(weights_hash(bind_weights(g.graph, pth)) == weights_hash(g.weights));
  const SpikeGptConfig config = spikegpt_config_of(pth);
  CHECK(config.layers == 2);
  CHECK(config.width == 16);
  CHECK(config.vocabulary == 53);
  CHECK(config.ffn_pre);
  CHECK(config.binary_embedding);
}

TEST_CASE("tokens outside the vocabulary are refused before anything runs") {
  const Golden g(kCases[0]);
  Session session(g.plan(make_cpu_backend(), Schedule::kLayerMajor, 3));
  for (const float bad : {77.0f, -1.0f, 1.5f, NAN}) {
    Tensor tokens({3, 1});
    tokens.f32()[1] = bad;
    CHECK_THROWS_WITH(session.run_chunk(tokens, 3, 1), Catch::Contains("vocabulary of 77"));
    CHECK(session.steps_done() == 0);
  }
}

// The head has no bias, so that a head on the mean of the states gives the mean of the logits the
// authors' program has for every token.
TEST_CASE("a classifier's logits are those of the authors' program, pooled over the tokens") {
  for (const Case& c : kCases) {
    if (c.program != "train") continue;
    const Golden g(c);
    for (const SpikeGptPooling pooling : {SpikeGptPooling::kMean, SpikeGptPooling::kLast}) {
      INFO(c.file << ", pooling " << static_cast<int>(pooling));
      const int64_t classes = g.config.vocabulary;
      const Graph graph = build_spikegpt_classifier({g.config, g.tokens, classes, pooling});
      Weights arrays = g.weights;
      const Tensor& head = g.weights.at("head.weight").data;
      arrays.add("classify_head.weight", part_of(head, 0, head.shape()[0]));
      arrays.erase("head.weight");
      for (const auto& backend : {make_reference_backend(), make_cpu_backend()}) {
        Session session(
            compile(graph, bind_weights(graph, arrays), backend, {Schedule::kLayerMajor, 7, {}}));
        const auto wanted = g.of_program("logits").f32();
        for (int64_t sequence = 0; sequence < g.sequences; ++sequence) {
          session.reset();
          for (int64_t first = 0; first < g.tokens; first += 7) {
            const int64_t count = std::min<int64_t>(7, g.tokens - first);
            session.run_chunk(g.ids(sequence, first, count), count, 2);
          }
          const ValueRef got =
              session.view(*graph.find_output("logits"), session.last_chunk().steps - 1);
          for (int64_t k = 0; k < classes; ++k) {
            double sum = 0;
            const int64_t from = pooling == SpikeGptPooling::kMean ? 0 : g.tokens - 1;
            for (int64_t t = from; t < g.tokens; ++t) {
              const int64_t at = (sequence * g.tokens + t) * classes + k;
              sum += static_cast<double>(wanted[static_cast<size_t>(at)]);
            }
            CHECK(got.real_row(0, 0)[k] ==
                  Approx(sum / static_cast<double>(g.tokens - from)).margin(1e-5));
          }
        }
      }
    }
  }
}
