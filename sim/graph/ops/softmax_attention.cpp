#include "sim/graph/ops/softmax_attention.hpp"

#include <algorithm>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred SoftmaxAttention::infer(Inputs in) const {
  require_inputs(in, 3);
  for (const InputValue& value : in) {
    require_kind(value, EdgeKind::kReal);
    if (value.shape != in[0].shape) misfit("Q, K and V differ in shape");
  }
  head_dim(channels_of(in[0].shape), heads);
  if (context < 0 || (context > 0 && in[0].shape.size() != 1))
    misfit("attends along the steps to vectors only");
  return {EdgeKind::kReal, in[0].shape};
}

StepWindow SoftmaxAttention::window() const {
  return context > 0 ? StepWindow{context - 1, 0} : StepWindow{};
}

NodeWork SoftmaxAttention::work(const NodeRun& run) const {
  const int64_t tokens = rows_of(run.shape()), channels = channels_of(run.shape());
  const int64_t pairs = context > 0 ? run.step_pairs() : run.evaluations() * tokens * tokens;
  const int64_t scores = heads * pairs;
  AttentionCount count;
  count.name = attention_name(run.name());
  count.spiking = false;
  count.tokens = tokens;
  count.heads = heads;
  count.head_dim = channels / heads;
  count.dense_macs_kv = count.dense_macs_qkv = pairs * channels;
  return {.attention = count,
          .elementwise = {.scalings = scale == 1.0f ? 0 : scores,
                          .softmax_exponentials = scores,
                          .softmax_divisions = scores}};
}

ValueBound SoftmaxAttention::bound(const BoundInput& in) const {
  const double most = std::max({in.in[0], in.in[1], in.in[2]});
  return {most, most};
}

}  // namespace spikeloom
