#pragma once
// Runs sequence networks and compares them with golden arrays of the LMUFormer authors' program.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/weights.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {

constexpr int64_t kSteps = 128, kLookAhead = 5;

// Of golden set A; the full-size network is LmuformerConfig{}.
LmuformerConfig small_config(bool spiking);
// One chunk takes the whole sequence.
PlanOptions whole(int64_t steps);
// Reference, and cpu with every SIMD target.
std::vector<std::shared_ptr<const Backend>> all_backends();

// "tests/golden/lmuformer/<name>" of the source tree.
std::string lmuformer_file(const std::string& name);

// Weights defined by a formula instead of a file (README of the golden data): meta.json names seed
// and ranges. Checks the tensor digests it also names.
Weights formula_weights(const Graph& graph, const std::string& meta_file);

// Sample b of [B, T, C].
Tensor sample_of(const Tensor& batch, int64_t b);

// Everything that came out of one sample.
struct SequenceRecord {
  // By population, one row of words per step, in order of steps.
  std::vector<std::vector<uint64_t>> spikes;
  std::vector<std::vector<float>> logits;  // by step
  bool operator==(const SequenceRecord&) const = default;
};

// Feeds the frames in chunks of the given lengths (the last one repeated), then drains, in as many
// ticks as the last chunk if it does not fit behind the frames.
SequenceRecord run_sequence(Session& session, const Tensor& frames,
                            const std::vector<int64_t>& chunks, int threads);
// One more chunk of frames, or of drained steps.
void append_chunk(SequenceRecord& record, const Session& session);

std::shared_ptr<const Plan> sequence_plan(const LmuformerConfig& config, const Weights& stored,
                                          std::shared_ptr<const Backend> backend,
                                          PlanOptions options);

// Bits of a record that differ from a golden spikes.npz, whose arrays hold [batch, time, channel].
int64_t differing_spikes(const SequenceRecord& record, const Plan& plan, const Weights& golden,
                         int64_t sample);

// Largest difference of values, and of the logits of all steps from golden running means [steps,
// batch, classes].
float worst(const std::vector<float>& got, std::span<const float> wanted);
float worst_logit(const SequenceRecord& record, const Tensor& golden, int64_t sample);

}  // namespace spikeloom
