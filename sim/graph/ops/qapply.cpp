#include "sim/graph/ops/qapply.hpp"

#include <fmt/format.h>

#include <cmath>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred QApply::infer(Inputs in) const {
  require_inputs(in, 2);
  require_kind(in[0], EdgeKind::kSpikes);
  require_kind(in[1], EdgeKind::kCounts);
  const int64_t channels = channels_of(in[0].shape), rows = rows_of(in[0].shape);
  const int64_t d = head_dim(channels, heads);
  if (in[1].shape != Shape{heads, d, d}) misfit("K^T V does not fit Q");
  if (d * rows >= int64_t{1} << 24) {
    throw Error(ErrorCode::kCapacity,
                fmt::format("attention over {} tokens of {} channels a head could exceed 2^24, "
                            "where fp32 stops counting exactly",
                            rows, d));
  }
  return {EdgeKind::kCounts, {rows, channels}};
}

NodeWork QApply::work(const NodeRun& run) const {
  AttentionCount count;
  count.name = attention_name(run.name());
  count.tokens = rows_of(run.in());
  count.heads = heads;
  count.head_dim = channels_of(run.in()) / heads;
  count.dense_macs_kv = count.dense_macs_qkv =
      run.evaluations() * heads * count.tokens * count.head_dim * count.head_dim;
  if (const AttentionStatistics* spikes = run.attention()) {
    count.spikes_q = spikes->q_events;
    count.spikes_k = spikes->k_events;
    count.spikes_v = spikes->v_events;
    count.kv_coincidences = spikes->kv_coincidences;
    count.kv_k_gated_adds = spikes->k_events * count.head_dim;
    count.qkv_q_gated_adds = spikes->q_events * count.head_dim;
    count.qkv_nonzero_adds = spikes->qkv_nonzero_adds;
  }
  return {.attention = count, .elementwise = {.scalings = scale == 1.0f ? 0 : run.outputs()}};
}

ValueBound QApply::bound(const BoundInput&) const {
  const auto most = static_cast<double>(int64_t{1} << 24);
  return {most, most * double{std::abs(scale)}};
}

}  // namespace spikeloom
