// What is computed from spikes while a run goes by: operation counts, signature, packing; and the
// graph as JSON.

#include <map>
#include <nlohmann/json.hpp>

#include "core/bit_packing.hpp"
#include "core/error.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/signature.hpp"
#include "tests/catch.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;
using namespace spikeloom::trace_test;

namespace {

int64_t bit(const SpikeTensor& spikes, int64_t r, int64_t c) {
  return spikes.view().test(r, c) ? 1 : 0;
}

// The definitions, written out: K^T V as integers.
void brute_force(const SpikeTensor& q, const SpikeTensor& k, const SpikeTensor& v, int64_t heads,
                 AttentionStatistics& sum) {
  const int64_t tokens = q.view().rows, d = q.view().channels / heads;
  for (int64_t h = 0; h < heads; ++h) {
    std::map<std::pair<int64_t, int64_t>, int64_t> product;
    for (int64_t i = 0; i < d; ++i) {
      for (int64_t j = 0; j < d; ++j) {
        int64_t count = 0;
        for (int64_t n = 0; n < tokens; ++n) count += bit(k, n, h * d + i) * bit(v, n, h * d + j);
        product[{i, j}] = count;
        sum.kv_coincidences += count;
      }
    }
    for (int64_t n = 0; n < tokens; ++n) {
      for (int64_t i = 0; i < d; ++i) {
        sum.q_events += bit(q, n, h * d + i);
        sum.k_events += bit(k, n, h * d + i);
        sum.v_events += bit(v, n, h * d + i);
        for (int64_t j = 0; j < d; ++j) {
          sum.qkv_nonzero_adds += bit(q, n, h * d + i) * (product[{i, j}] != 0 ? 1 : 0);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("operation counter equals brute force") {
  for (const auto& [channels, heads] : kWidths) {
    for (const double density : {0.02, 0.3, 0.9, 1.1}) {
      INFO(channels << " channels, " << heads << " heads, density " << density);
      const Graph graph = make_graph(channels, heads);
      const Run run = make_run(graph, {3, 1, 2}, density, 7);
      OpCounter counter(graph);
      feed(run, 2, counter);
      const RunStatistics& found = counter.statistics();
      CHECK(found.samples == 3);
      CHECK(found.evaluations == 6);
      AttentionStatistics expected;
      for (size_t p = 0; p < run.populations.size(); ++p) {
        const PopulationStatistics& entry = found.populations.at(run.populations[p].name);
        std::vector<int64_t> by_row(entry.events_per_row.size()), by_step(3);
        for (const auto& sample : run.spikes) {
          for (size_t t = 0; t < sample.size(); ++t) {
            for (int64_t r = 0; r < sample[t][p].view().rows; ++r) {
              for (int64_t c = 0; c < sample[t][p].view().channels; ++c) {
                by_row[static_cast<size_t>(r)] += bit(sample[t][p], r, c);
                by_step[t] += bit(sample[t][p], r, c);
              }
            }
            if (p == 0) brute_force(sample[t][1], sample[t][2], sample[t][3], heads, expected);
          }
        }
        CHECK(entry.events_per_row == by_row);
        CHECK(entry.events_per_step == by_step);
        CHECK(entry.evaluations == 6);
        CHECK(entry.neurons == element_count(run.populations[p].shape));
      }
      REQUIRE(found.attention.size() == 1);
      const AttentionStatistics& attention = found.attention.at("block.attn");
      CHECK(attention.q_events == expected.q_events);
      CHECK(attention.k_events == expected.k_events);
      CHECK(attention.v_events == expected.v_events);
      CHECK(attention.kv_coincidences == expected.kv_coincidences);
      CHECK(attention.qkv_nonzero_adds == expected.qkv_nonzero_adds);
      CHECK_NOTHROW(count_operations(graph, found));
    }
  }
}

TEST_CASE("signature equals its definition and ignores chunk lengths") {
  const Graph graph = make_graph(13, 1);
  const Run run = make_run(graph, {4, 2, 5}, 0.4, 3);
  uint64_t all = 0xcbf29ce484222325ull;
  const auto add = [](uint64_t hash, uint8_t byte) { return (hash ^ byte) * 0x100000001b3ull; };
  for (size_t p = 0; p < run.populations.size(); ++p) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (const auto& sample : run.spikes) {
      for (const auto& step : sample) {
        uint32_t count = 0;
        for (int64_t r = 0; r < step[p].view().rows; ++r) {
          for (int64_t c = 0; c < step[p].view().channels; ++c)
            count += static_cast<uint32_t>(bit(step[p], r, c));
        }
        for (int shift = 0; shift < 32; shift += 8)
          hash = add(hash, static_cast<uint8_t>(count >> shift));
      }
    }
    for (const char c : run.populations[p].name) all = add(all, static_cast<uint8_t>(c));
    for (int shift = 0; shift < 64; shift += 8) all = add(all, static_cast<uint8_t>(hash >> shift));
  }
  char expected[17];
  std::snprintf(expected, sizeof expected, "%016llx", static_cast<unsigned long long>(all));
  for (const int64_t chunk : {1, 2, 9}) {
    Signature signature(graph);
    feed(run, chunk, signature);
    CHECK(signature.text() == expected);
  }
}

TEST_CASE("packed bits follow the written example and come back") {
  SpikeTensor ten(1, 10);
  for (const int64_t neuron : {0, 2, 3, 8, 9}) ten.set(0, neuron);
  std::vector<uint8_t> packed(2, 0xFF);
  pack_bits(as_const(ten.view()), packed);
  CHECK(packed == std::vector<uint8_t>{0x0D, 0x03});

  std::mt19937 random(1);
  for (int64_t channels = 1; channels <= 200; ++channels) {
    for (const int64_t rows : {1, 2, 3, 9}) {
      SpikeTensor spikes(rows, channels), back(rows, channels);
      std::vector<uint8_t> expected(static_cast<size_t>(packed_bytes(rows * channels)));
      for (int64_t i = 0; i < rows * channels; ++i) {
        if (random() % 3 != 0) continue;
        spikes.set(i / channels, i % channels);
        expected[static_cast<size_t>(i / 8)] |= static_cast<uint8_t>(1 << (i % 8));
      }
      std::vector<uint8_t> out(expected.size(), 0xAA);
      pack_bits(as_const(spikes.view()), out);
      unpack_bits(out, back.view());
      const bool equal = out == expected && back == spikes;
      CHECK(equal);
      CHECK(count_packed(out) == spikes.view().count());
    }
  }
}

TEST_CASE("the graph as JSON holds operators, edges and zero weights") {
  const Graph graph = make_graph(8, 2);
  Weights weights;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) {
      Tensor values(parameter.shape);
      for (float& value : values.f32()) value = 1.0f;
      values.f32()[0] = 0.0f;
      values.f32()[1] = -0.0f;
      weights.add(parameter.name, std::move(values));
    }
  }
  const auto json = nlohmann::json::parse(graph_to_json(graph, &weights));
  CHECK(json["form"] == "as_written");
  REQUIRE(json["nodes"].size() == graph.nodes().size());
  const auto& conv = json["nodes"][1];
  CHECK(conv["name"] == "stem.conv");
  CHECK(conv["op"]["kind"] == "conv2d");
  CHECK(conv["op"]["out_channels"] == 8);
  CHECK(conv["inputs"][0] == "input");
  CHECK(conv["weights"] == 32);
  CHECK(conv["zero_weights"] == 2);
  CHECK(conv["edge"] == "real");
  CHECK(conv["static"] == true);
  CHECK(json["nodes"][2]["op"]["model"] == "LIF");
  CHECK(json["nodes"][2]["edge"] == "spikes");
  CHECK(json["outputs"][0]["node"] == "head.fc");
  CHECK(!nlohmann::json::parse(graph_to_json(graph, nullptr))["nodes"][1].contains("zero_weights"));
  CHECK(graph_to_json(graph, &weights) == graph_to_json(graph, &weights));
}
