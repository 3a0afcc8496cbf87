// Do we equal the authors' program? LMUFormer and spiking LMUFormer: every spike, the logits after
// every step, operation counts; however the sequence is cut and whatever computes it.

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/npy.hpp"
#include "core/io/npz.hpp"
#include "core/io/weights_file.hpp"
#include "hw_model/energy/energy.hpp"
#include "hw_model/energy/lmu_forms.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/op_counter.hpp"
#include "tests/catch.hpp"
#include "tests/golden/lmuformer_run.hpp"

using namespace spikeloom;

namespace {

LmuformerConfig psmnist_config(bool spiking) {
  LmuformerConfig config = lmuformer_preset("psmnist");
  config.spiking = spiking;
  config.dim = 20;
  config.memory_size = 24;
  config.seq_len = 96;
  config.theta = 96;
  return config;
}

}  // namespace

TEST_CASE("the small spiking network reproduces every golden spike and running logit") {
  const Weights weights = load_npz(lmuformer_file("spiking/weights.npz"));
  const Weights spikes = load_npz(lmuformer_file("spiking/spikes.npz"));
  const Tensor input = load_npy(lmuformer_file("spiking/input.npy"));
  const Tensor logits = load_npy(lmuformer_file("spiking/logits_all_seq.npy"));
  std::vector<SequenceRecord> first(3);
  for (const auto& backend : all_backends()) {
    const auto plan = sequence_plan(small_config(true), weights, backend, whole(kSteps));
    REQUIRE(plan->look_ahead == kLookAhead);
    REQUIRE(plan->populations.size() == 11);
    for (int64_t b = 0; b < 3; ++b) {
      for (const int threads : {1, 2}) {
        INFO(backend->name() << " " << backend->simd() << ", sample " << b << ", " << threads
                             << " threads");
        Session session(plan);
        const SequenceRecord record = run_sequence(session, sample_of(input, b), {kSteps}, threads);
        CHECK(differing_spikes(record, *plan, spikes, b) == 0);
        CHECK(worst_logit(record, logits, b) <= 1e-5f);
        if (first[static_cast<size_t>(b)].logits.empty()) first[static_cast<size_t>(b)] = record;
        CHECK(record == first[static_cast<size_t>(b)]);
      }
    }
  }
}

TEST_CASE("the full-size spiking network reproduces every golden spike and running logit") {
  LmuformerConfig config;
  const LmuForm form = GENERATE(LmuForm::kEvent, LmuForm::kRecurrent, LmuForm::kFft);
  config.memory = form;
  const Graph graph = build_lmuformer(config);
  const Weights weights = formula_weights(graph, lmuformer_file("full_spiking/meta.json"));
  const Weights spikes = load_npz(lmuformer_file("full_spiking/spikes.npz"));
  const Tensor input = load_npy(lmuformer_file("full_spiking/input.npy"));
  const Tensor logits = load_npy(lmuformer_file("full_spiking/logits_all_seq.npy"));
  CHECK(parameter_count(graph) == 1689894);
  const auto plan = sequence_plan(config, weights, make_cpu_backend(), whole(kSteps));
  for (int64_t b = 0; b < 2; ++b) {
    Session session(plan);
    const SequenceRecord record = run_sequence(session, sample_of(input, b), {kSteps}, 2);
    CHECK(differing_spikes(record, *plan, spikes, b) == 0);
    CHECK(worst_logit(record, logits, b) <= 1e-5f);
  }
}

TEST_CASE("the networks that do not spike reproduce the golden running logits") {
  const Tensor logits = load_npy(lmuformer_file("ann/logits_all_seq.npy"));
  const Weights weights = load_npz(lmuformer_file("ann/weights.npz"));
  const Tensor input = load_npy(lmuformer_file("ann/input.npy"));
  for (const LmuForm form : {LmuForm::kEvent, LmuForm::kRecurrent, LmuForm::kFft}) {
    LmuformerConfig config = small_config(false);
    config.memory = form;
    SequenceRecord first;
    for (const auto& backend : all_backends()) {
      const auto plan = sequence_plan(config, weights, backend, whole(kSteps));
      for (int64_t b = 0; b < 3; ++b) {
        Session session(plan);
        const SequenceRecord record = run_sequence(session, sample_of(input, b), {kSteps}, 2);
        CHECK(worst_logit(record, logits, b) <= 1e-4f);
        if (b > 0) continue;
        if (first.logits.empty()) first = record;
        CHECK(record == first);
      }
    }
  }
  LmuformerConfig config;
  config.spiking = false;
  const Graph graph = build_lmuformer(config);
  CHECK(parameter_count(graph) == 1621796);
  const Weights full = formula_weights(graph, lmuformer_file("full_ann/meta.json"));
  const Tensor full_logits = load_npy(lmuformer_file("full_ann/logits_all_seq.npy"));
  const Tensor full_input = load_npy(lmuformer_file("full_spiking/input.npy"));
  const auto plan = sequence_plan(config, full, make_cpu_backend(), whole(kSteps));
  for (int64_t b = 0; b < 2; ++b) {
    Session session(plan);
    const SequenceRecord record = run_sequence(session, sample_of(full_input, b), {kSteps}, 2);
    CHECK(worst_logit(record, full_logits, b) <= 1e-4f);
  }
}

TEST_CASE("the psMNIST networks load the authors' checkpoints and reproduce spikes and logits") {
  const bool spiking = GENERATE(true, false);
  const std::string folder = spiking ? "psmnist_spiking/" : "psmnist_ann/";
  const Weights weights = load_weights(lmuformer_file(folder + "weights.pth"));
  const Tensor input = load_npy(lmuformer_file(folder + "input.npy"));
  const Tensor logits = load_npy(lmuformer_file(folder + "logits.npy"));
  for (const auto& backend : all_backends()) {
    const auto plan =
        sequence_plan(psmnist_config(spiking), weights, backend, {Schedule::kLayerMajor, 96, {}});
    for (int64_t b = 0; b < 3; ++b) {
      Session session(plan);
      const SequenceRecord record = run_sequence(session, sample_of(input, b), {96}, 1);
      if (spiking) {
        const Weights spikes = load_npz(lmuformer_file(folder + "spikes.npz"));
        CHECK(differing_spikes(record, *plan, spikes, b) == 0);
      }
      CHECK(worst(record.logits.back(), logits.f32().subspan(static_cast<size_t>(b) * 10, 10)) <=
            (spiking ? 1e-5f : 1e-4f));
    }
  }
  const Graph full = [&] {
    LmuformerConfig config = lmuformer_preset("psmnist");
    config.spiking = spiking;
    return build_lmuformer(config);
  }();
  CHECK(parameter_count(full) == (spiking ? 166092 : 166798));
}

TEST_CASE("any chunks, schedule and memory that streams give the bits of the whole sequence") {
  const LmuForm form = GENERATE(LmuForm::kEvent, LmuForm::kRecurrent);
  const bool spiking = GENERATE(true, false);
  LmuformerConfig config = small_config(spiking);
  config.memory = form;
  const std::string folder = spiking ? "spiking/" : "ann/";
  const Weights weights = load_npz(lmuformer_file(folder + "weights.npz"));
  const Tensor frames = sample_of(load_npy(lmuformer_file(folder + "input.npy")), 1);
  const auto plan = sequence_plan(config, weights, make_cpu_backend(), whole(kSteps));
  Session session(plan);
  const SequenceRecord expected = run_sequence(session, frames, {kSteps}, 1);
  REQUIRE(expected.logits.size() == kSteps);
  for (const Schedule schedule : {Schedule::kLayerMajor, Schedule::kStepMajor}) {
    for (const std::vector<int64_t>& chunks :
         std::vector<std::vector<int64_t>>{{1}, {3, 1, 7, 64, 2}, {32}, {kSteps}}) {
      const int64_t most = *std::max_element(chunks.begin(), chunks.end());
      const auto other = sequence_plan(config, weights, make_cpu_backend(), {schedule, most, {}});
      Session cut(other);
      CHECK(run_sequence(cut, frames, chunks, 2) == expected);
      cut.reset();  // nothing of the sample before is left
      CHECK(run_sequence(cut, frames, chunks, 1) == expected);
    }
  }
}

TEST_CASE("a session saved, loaded or copied at any step goes on as if nothing had happened") {
  const LmuForm form = GENERATE(LmuForm::kEvent, LmuForm::kRecurrent);
  LmuformerConfig config = small_config(true);
  config.memory = form;
  const Weights weights = load_npz(lmuformer_file("spiking/weights.npz"));
  const Tensor frames = sample_of(load_npy(lmuformer_file("spiking/input.npy")), 2);
  const auto plan =
      sequence_plan(config, weights, make_cpu_backend(), {Schedule::kStepMajor, 1, {}});
  Session whole_run(plan);
  const SequenceRecord expected = run_sequence(whole_run, frames, {1}, 1);
  SequenceRecord saved_run, copied_run;
  auto saved = std::make_unique<Session>(plan), copied = std::make_unique<Session>(plan);
  for (int64_t tick = 0; tick < kSteps + kLookAhead; ++tick) {
    const bool ended = tick >= kSteps;
    Tensor frame({ended ? 0 : 1, 40});
    if (!ended) std::copy_n(frames.f32().begin() + tick * 40, 40, frame.f32().begin());
    auto next = std::make_unique<Session>(plan);
    next->load(saved->save());
    saved = std::move(next);
    copied = std::make_unique<Session>(*copied);
    for (Session* session : {saved.get(), copied.get()})
      session->run_chunk(frame, ended ? 0 : 1, 1, ended ? 1 : 0);
    append_chunk(saved_run, *saved);
    append_chunk(copied_run, *copied);
  }
  CHECK(saved_run == expected);
  CHECK(copied_run == expected);
}

TEST_CASE("synaptic events equal the golden integers, dense counts the reference's") {
  const bool full = GENERATE(false, true);
  const std::string folder = full ? "full_spiking/" : "spiking/";
  const auto meta = nlohmann::json::parse(std::ifstream(lmuformer_file(folder + "meta.json")));
  LmuformerConfig config = full ? LmuformerConfig{} : small_config(true);
  const Graph graph = build_lmuformer(config);
  const Weights weights = full ? formula_weights(graph, lmuformer_file(folder + "meta.json"))
                               : load_npz(lmuformer_file(folder + "weights.npz"));
  const Tensor input = load_npy(lmuformer_file(folder + "input.npy"));
  OpCounter counter(graph);
  const auto plan = sequence_plan(config, weights, make_cpu_backend(), whole(kSteps));
  Session session(plan);
  for (int64_t b = 0; b < input.shape()[0]; ++b) {
    session.reset();
    counter.begin_sample({b, -1, b * kSteps});
    session.run_chunk(sample_of(input, b), kSteps, 2, kLookAhead);
    counter.chunk(session.last_chunk());
    counter.end_sample({kSteps, -1});
  }
  const auto count_form = [&](LmuForm form) {
    config.memory = form;
    return count_operations(build_lmuformer(config), counter.statistics());
  };
  const OpCounts event = count_form(LmuForm::kEvent), recurrent = count_form(LmuForm::kRecurrent);
  const auto layer = [](const OpCounts& counts, const std::string& name) {
    const auto found = std::find_if(counts.layers.begin(), counts.layers.end(),
                                    [&](const LayerCount& l) { return l.name == name; });
    REQUIRE(found != counts.layers.end());
    return *found;
  };
  const std::string memory = "block.0.attn.lmu.memory";
  for (const auto& [name, adds] : meta["synaptic_events_total_over_batch"].items()) {
    INFO(name);
    if (name == memory + "(fir_event_adds)") {
      CHECK(layer(event, memory).event_adds == adds);
      CHECK(layer(event, memory).real_macs == 0);
    } else if (name == memory + "(recurrent_B_adds)") {
      CHECK(layer(recurrent, memory).event_adds == adds);
    } else {
      CHECK(layer(event, name).event_adds == adds);
    }
  }
  for (const NeuronCount& neurons : event.neurons) {
    CHECK(neurons.spikes == meta["lif"][neurons.name]["spikes"]);
  }
  if (!full) return;
  const int64_t samples = input.shape()[0];
  CHECK(layer(event, memory).dense_macs == samples * 4227072);
  CHECK(layer(recurrent, memory).dense_macs == samples * 33619968);
  CHECK(layer(recurrent, memory).real_macs == samples * kSteps * 512 * 512);
  CHECK(event.totals.dense_macs - layer(event, memory).dense_macs == samples * 215089152);
  CHECK(event.totals.real_macs_without_stem == samples * 12582912);
  CHECK(event.totals.neuron_updates == samples * 458880);
}

TEST_CASE("the dense counts of the network that does not spike are the reference's") {
  LmuformerConfig config;
  config.spiking = false;
  const auto dense = [&](LmuForm form) {
    config.memory = form;
    return count_dense(build_lmuformer(config), 1, kSteps).totals.dense_macs;
  };
  CHECK(dense(LmuForm::kRecurrent) == 215121920);
  CHECK(dense(LmuForm::kEvent) == 206700544 + 2113536);
}

TEST_CASE("stored memory tables that contradict the equations and fft runs in parts are refused") {
  Weights weights = load_npz(lmuformer_file("spiking/weights.npz"));
  const Graph graph = build_lmuformer(small_config(true));
  Weights wrong;
  for (const std::string& name : weights.names()) {
    Tensor values = clone(weights.at(name).data);
    if (name == "block.0.attn.lmu.A") values.f32()[7] += 1e-5f;
    wrong.add(name, std::move(values));
  }
  CHECK_THROWS_WITH(bind_weights(graph, wrong), Catch::Contains("block.0.attn.lmu.A[0,7]"));
  LmuformerConfig config = small_config(true);
  config.memory = LmuForm::kFft;
  CHECK_THROWS_AS(
      sequence_plan(config, weights, make_cpu_backend(), {Schedule::kLayerMajor, 1, {}}), Error);
  const auto plan = sequence_plan(config, weights, make_cpu_backend(), whole(kSteps));
  Session session(plan);
  CHECK_THROWS_AS(session.run_chunk(Tensor({1, 40}), 1, 1), Error);
}

TEST_CASE("the report's memory forms and unfoldable normalisation are the reference's counts") {
  const auto meta = nlohmann::json::parse(std::ifstream(lmuformer_file("full_spiking/meta.json")));
  const Graph graph = build_lmuformer({});
  const Weights weights = formula_weights(graph, lmuformer_file("full_spiking/meta.json"));
  const Tensor input = load_npy(lmuformer_file("full_spiking/input.npy"));
  OpCounter counter(graph);
  Session session(sequence_plan({}, weights, make_cpu_backend(), whole(kSteps)));
  for (int64_t b = 0; b < 2; ++b) {
    session.reset();
    counter.begin_sample({b, -1, b * kSteps});
    session.run_chunk(sample_of(input, b), kSteps, 2, kLookAhead);
    counter.chunk(session.last_chunk());
    counter.end_sample({kSteps, -1});
  }
  const auto forms = lmu_form_costs(graph, counter.statistics());
  REQUIRE(forms.size() == 3);
  CHECK((forms[0].executed && !forms[1].executed && !forms[2].executed));
  const auto& events = meta["synaptic_events_total_over_batch"];
  CHECK(forms[0].additions == events["block.0.attn.lmu.memory(fir_event_adds)"]);
  CHECK(forms[0].macs == 0);
  CHECK(forms[1].additions == events["block.0.attn.lmu.memory(recurrent_B_adds)"]);
  CHECK(forms[1].macs == 2 * kSteps * 512 * 512);
  // "about 3.0 M real flops" an utterance; two of those are one MAC.
  CHECK(static_cast<double>(forms[2].macs) == Approx(2 * 3.0e6 / 2).epsilon(0.02));
  const CountedGraph counted = count_run(graph, counter.statistics());
  CHECK(counted.elementwise.batch_norm_unfoldable == 2 * 4 * 256 * kSteps);
  CHECK(counted.elementwise.residual_additions == 2 * 3 * 256 * kSteps);
  // Additions and MACs at 0.9 and 4.6 pJ, as the reference works them out: 80.9 uJ an utterance,
  // 154.7 more with the recurrence.
  const double built = as_built_energy(counted, Arithmetic::kFp32).per_sample_pJ() / 1e6;
  CHECK(built == Approx(80.9).margin(0.1));
  LmuformerConfig recurrent;
  recurrent.memory = LmuForm::kRecurrent;
  const CountedGraph with_recurrence = count_run(build_lmuformer(recurrent), counter.statistics());
  const double extra = as_built_energy(with_recurrence, Arithmetic::kFp32).per_sample_pJ() / 1e6 -
                       built + forms[0].fp32_pJ / 2e6 - forms[1].additions * 0.9 / 2e6;
  CHECK(extra == Approx(154.7).margin(0.5));
}
