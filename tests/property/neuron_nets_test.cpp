// Networks of every neuron model: however a run is cut, scheduled, saved and loaded again, backend
// and threads included, all values are those of one run on the reference.

#include <cstring>

#include "core/rng.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

constexpr int64_t kSteps = 12, kIn = 9, kHidden = 37;

// Input -> linear for each input of the neuron -> neuron with arrays -> linear -> LI.
Graph net_of(NeuronSpec spec, bool arrays) {
  for (size_t i = 0; arrays && i < spec.values.size(); i += 3)
    spec.values[i] = {0, "cell." + std::string(spec.row().parameters[i].name), {kHidden}};
  Graph graph;
  const NodeId in = graph.add("in", Input{{kIn}, false});
  std::vector<NodeId> currents;
  for (int i = 0; i < spec.row().inputs; ++i) {
    const std::string name = "fc" + std::to_string(i);
    currents.push_back(
        graph.add(name, Linear{kIn, kHidden, 0, name + ".weight", name + ".bias"}, {in}));
  }
  const NodeId cell = graph.add("cell", Neuron{spec}, currents);
  const NodeId out = graph.add("out", Linear{kHidden, 5, 0, "out.weight", "out.bias"}, {cell});
  graph.output("logits", graph.add("li", Neuron{neuron("LI")}, {out}));
  return graph;
}

Tensor frames_of(float size) {
  Tensor frames({kSteps, kIn});
  uint64_t index = 0;
  for (float& value : frames.f32()) value = size * random_uniform(5, 0, index++);
  return frames;
}

Tensor steps_of_frames(const Tensor& frames, int64_t first, int64_t steps) {
  Tensor part({steps, kIn});
  std::copy_n(frames.f32().data() + first * kIn, steps * kIn, part.f32().data());
  return part;
}

// Values of cell and readout, step after step, of a run in chunks of these sizes. Before chunk
// `reload` the state goes through save() and load() into a session of its own.
std::vector<float> values_of(const Graph& graph, const Weights& weights,
                             std::shared_ptr<const Backend> backend, Schedule schedule,
                             const Tensor& frames, const std::vector<int64_t>& chunks, int threads,
                             size_t reload = 99) {
  const bool whole = chunks.size() == 1;  // its state lives no longer than the neurons run
  const auto plan = compile(
      graph, weights, std::move(backend),
      {.schedule = schedule, .chunk_steps = kSteps, .keep = {"cell"}, .whole_samples = whole});
  auto session = std::make_unique<Session>(plan);
  std::vector<float> values;
  int64_t done = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (i == reload) {
      const Weights saved = session->save();
      session = std::make_unique<Session>(plan);
      session->load(saved);
    }
    session->run_chunk(steps_of_frames(frames, done, chunks[i]), chunks[i], threads);
    done += chunks[i];
    for (int64_t t = 0; t < chunks[i]; ++t) {
      for (const NodeId node : {*graph.find("cell"), *graph.find("li")}) {
        const Tensor value = session->value(node, t);
        values.insert(values.end(), value.f32().begin(), value.f32().end());
      }
    }
  }
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("neurons of every model do not see how a run is cut, saved or scheduled") {
  for (const NeuronRow& row : neuron_table()) {
    for (const Reset reset : row.resets) {
      if (reset == Reset::kMulti) continue;
      for (const bool arrays : {false, true}) {
        NeuronSpec spec = neuron(row.name);
        spec.rules.reset = reset;
        INFO(describe(spec) << (arrays ? ", arrays" : ""));
        const Graph graph = net_of(spec, arrays);
        const Weights weights = random_weights(graph, 3);
        // Currents that make a cell of millivolts and picoamperes fire as well.
        const bool is_biological =
            row.name == "AdEx" || row.name == "Izhikevich" || row.name == "CobaLIF";
        const Tensor frames = frames_of(row.name == "AdEx" ? 3000.0f
                                        : is_biological    ? 60.0f
                                                           : 2.0f);
        const auto reference = make_reference_backend();
        const auto whole =
            values_of(graph, weights, reference, Schedule::kLayerMajor, frames, {kSteps}, 1);
        if (spec.fires()) CHECK(std::count(whole.begin(), whole.end(), 1.0f) > 0);
        const std::vector<int64_t> ones(kSteps, 1);
        CHECK(same_bits(whole, values_of(graph, weights, reference, Schedule::kStepMajor, frames,
                                         {5, 7}, 1, 1)));
        for (const std::string& simd : cpu_simd_targets()) {
          const auto cpu = make_cpu_backend(simd);
          CHECK(same_bits(
              whole, values_of(graph, weights, cpu, Schedule::kLayerMajor, frames, {kSteps}, 3)));
          CHECK(same_bits(whole, values_of(graph, weights, cpu, Schedule::kStepMajor, frames,
                                           {3, 1, 8}, 2, 1)));
          CHECK(same_bits(
              whole, values_of(graph, weights, cpu, Schedule::kLayerMajor, frames, ones, 1, 6)));
        }
      }
    }
  }
}

TEST_CASE("parameters per neuron set where a sample begins, also in a session used before") {
  NeuronSpec spec = neuron("LIF");
  spec["v_leak"] = {0, "rest", {kHidden}};
  const Graph graph = net_of(spec, false);
  Weights weights = random_weights(graph, 3);
  Tensor rest({kHidden});
  for (size_t i = 0; i < kHidden; ++i) rest.f32()[i] = -0.5f + 0.01f * static_cast<float>(i);
  weights.erase("rest");
  weights.add("rest", std::move(rest));
  for (const auto& backend : {make_reference_backend(), make_cpu_backend()}) {
    const auto plan = compile(graph, weights, backend,
                              {.chunk_steps = kSteps, .keep = {}, .membranes = {"cell"}});
    Session session(plan);
    const Tensor frames = frames_of(2);
    session.run_chunk(frames, kSteps, 1);
    const Tensor first = session.membrane(*graph.find("cell"), 0);
    session.reset();
    session.run_chunk(frames, kSteps, 1);
    const Tensor again = session.membrane(*graph.find("cell"), 0);
    const auto a = first.f32(), b = again.f32();
    CHECK(std::equal(a.begin(), a.end(), b.begin()));
  }
}

TEST_CASE("a session names the slots of a neuron") {
  NeuronSpec spec = neuron("CubaLIF");
  spec.rules.reset = Reset::kHoldNext;
  const Graph graph = net_of(spec, false);
  Session session(compile(graph, random_weights(graph, 1), make_cpu_backend(), {}));
  const Weights saved = session.save();
  for (const char* slot : {"cell/v", "cell/i", "cell/z", "li/v"}) CHECK(saved.contains(slot));
}
