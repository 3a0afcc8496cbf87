#include "run/decision_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/error.hpp"
#include "run/precision.hpp"
#include "sim/counts/finite_watch.hpp"

namespace spikeloom {
namespace {

using Clock = std::chrono::steady_clock;

struct Decision {
  int64_t answer = -1;
  double probability = 0;
};

Decision decide(const Tensor& logits) {
  const auto values = logits.f32();
  const auto best = std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const float value : values)
    sum += std::exp(static_cast<double>(value) - static_cast<double>(*best));
  return {best - values.begin(), 1 / sum};
}

}  // namespace

DecisionStream::DecisionStream(const Experiment& experiment, const Network& network, double decide,
                               const CpuOptions& cpu)
    : session_(compile(network.model.graph,
                       in_precision(network.model.graph, network.model.weights,
                                    experiment.run.precision.precision)
                           .weights,
                       make_backend(experiment.run.device, cpu), {Schedule::kStepMajor, 1, {}})),
      logits_(*network.model.graph.find_output("logits")),
      frame_shape_(network.model.graph.node(0).shape),
      threads_(experiment.run.threads),
      decide_(decide) {
  frame_shape_.insert(frame_shape_.begin(), 1);
}

std::optional<DecisionStep> DecisionStream::drain() {
  return tick(Tensor(frame_shape_), 1);
}

Tensor DecisionStream::checked_logits() const {
  Tensor logits = session_.value(logits_, 0);
  const std::string node = all_finite(logits.f32()) ? session_.not_finite_state() : "logits";
  if (node.empty()) return logits;
  throw Error(ErrorCode::kRuntime, fmt::format("{} of step {} are not finite: there is no answer",
                                               node, session_.last_chunk().first_step));
}

std::optional<DecisionStep> DecisionStream::tick(const Tensor& frame, int64_t drained) {
  const auto start = Clock::now();
  session_.run_chunk(frame, 1 - drained, threads_, drained);
  const SpikeChunk out = session_.last_chunk();
  const bool answered = out.steps > 0;
  const Decision now = answered ? decide(checked_logits()) : Decision{};
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  total_ms_ += ms;
  worst_ms_ = std::max(worst_ms_, ms);
  if (!answered) return std::nullopt;
  const int64_t since = now.answer == last_.answer ? last_.same_since : out.first_step;
  last_ = {out.first_step, now.answer, now.probability, since, ms, now.probability >= decide_};
  return last_;
}

}  // namespace spikeloom
