// Shape and kind rules of every operator: Graph::add.

#include <fmt/format.h>

#include "core/error.hpp"
#include "sim/graph/graph.hpp"
#include "sim/graph/step_window.hpp"

namespace spikeloom {
namespace {

[[noreturn]] void misfit(const std::string& reason) {
  throw Error(ErrorCode::kUsage, reason);
}

struct Inferred {
  EdgeKind kind = EdgeKind::kReal;
  Shape shape;
};

using Inputs = std::vector<const Node*>;

void require_inputs(const Inputs& in, size_t count) {
  if (in.size() != count) misfit(fmt::format("needs {} inputs, got {}", count, in.size()));
}

void require_kind(const Node& in, EdgeKind kind, const char* what) {
  if (in.kind != kind) misfit(fmt::format("input {} must be {}", in.name, what));
}

void require_not_counts(const Node& in) {
  if (in.kind == EdgeKind::kCounts) misfit(fmt::format("input {} holds counts", in.name));
}

int64_t head_dim(int64_t channels, int64_t heads) {
  if (heads <= 0 || channels % heads != 0) {
    misfit(fmt::format("{} channels do not divide into {} heads", channels, heads));
  }
  return channels / heads;
}

Inferred infer(const Input& op, const Inputs& in) {
  require_inputs(in, 0);
  for (const int64_t extent : op.shape) {
    if (extent <= 0) misfit("input shape " + to_string(op.shape) + " has an empty axis");
  }
  if (op.vocabulary != 0) {
    if (op.shape != Shape{1} || op.repeated) misfit("tokens come one a step, in shape [1]");
    if (op.vocabulary < 0 || op.vocabulary > int64_t{1} << 24) {
      misfit(fmt::format("a vocabulary of {} tokens is not in 1 to 2^24", op.vocabulary));
    }
    if (op.events) misfit("tokens are no events");
  }
  return {op.events ? EdgeKind::kSpikes : EdgeKind::kReal, op.shape};
}

Inferred infer(const Conv2d& op, const Inputs& in) {
  require_inputs(in, 1);
  require_not_counts(*in[0]);
  const Shape& from = in[0]->shape;
  if (from.size() != 3 || from[2] != op.in_channels) {
    misfit(fmt::format("needs a map of {} channels, got {}", op.in_channels, to_string(from)));
  }
  if (op.groups <= 0 || op.in_channels % op.groups != 0 || op.out_channels % op.groups != 0 ||
      op.out_channels <= 0 || op.kernel <= 0 || op.stride <= 0 || op.padding < 0) {
    misfit("has impossible channels, groups, kernel, stride or padding");
  }
  const auto extent = [&](int64_t n) {
    return n + 2 * op.padding < op.kernel ? 0 : (n + 2 * op.padding - op.kernel) / op.stride + 1;
  };
  const Shape shape = {extent(from[0]), extent(from[1]), op.out_channels};
  if (shape[0] == 0 || shape[1] == 0) {
    misfit(fmt::format("a {}x{} map is smaller than the {}x{} kernel", from[0], from[1], op.kernel,
                       op.kernel));
  }
  return {EdgeKind::kReal, shape};
}

Inferred infer(const Linear& op, const Inputs& in) {
  require_inputs(in, 1);
  require_not_counts(*in[0]);
  Shape shape = in[0]->shape;
  if (shape.empty() || shape.back() != op.in_features || op.out_features <= 0) {
    misfit(fmt::format("needs {} features, got {}", op.in_features, to_string(shape)));
  }
  shape.back() = op.out_features;
  return {EdgeKind::kReal, shape};
}

Inferred infer(const BatchNorm& op, const Inputs& in) {
  require_inputs(in, 1);
  require_kind(*in[0], EdgeKind::kReal, "real");
  Shape shape = in[0]->shape;
  if (channels_of(shape) != op.channels) {
    misfit(fmt::format("needs {} channels, got {}", op.channels, to_string(shape)));
  }
  if (op.pad > 0) {
    if (shape.size() != 3) misfit("pads something that is not a map");
    shape[0] += 2 * op.pad;
    shape[1] += 2 * op.pad;
  }
  return {EdgeKind::kReal, shape};
}

Inferred infer(const Neuron&, const Inputs& in) {
  require_inputs(in, 1);
  if (in[0]->kind == EdgeKind::kSpikes) misfit("neurons need a real input or counts");
  return {EdgeKind::kSpikes, in[0]->shape};
}

Inferred infer(const KtV& op, const Inputs& in) {
  require_inputs(in, 2);
  for (const Node* node : in) require_kind(*node, EdgeKind::kSpikes, "spikes");
  if (in[0]->shape != in[1]->shape) misfit("K and V differ in shape");
  const int64_t d = head_dim(channels_of(in[0]->shape), op.heads);
  return {EdgeKind::kCounts, {op.heads, d, d}};
}

Inferred infer(const QApply& op, const Inputs& in) {
  require_inputs(in, 2);
  require_kind(*in[0], EdgeKind::kSpikes, "spikes");
  require_kind(*in[1], EdgeKind::kCounts, "counts");
  const int64_t channels = channels_of(in[0]->shape), rows = rows_of(in[0]->shape);
  const int64_t d = head_dim(channels, op.heads);
  if (in[1]->shape != Shape{op.heads, d, d}) misfit("K^T V does not fit Q");
  if (d * rows >= int64_t{1} << 24) {
    throw Error(ErrorCode::kCapacity,
                fmt::format("attention over {} tokens of {} channels a head could exceed 2^24, "
                            "where fp32 stops counting exactly",
                            rows, d));
  }
  return {EdgeKind::kCounts, {rows, channels}};
}

Inferred infer(const Add&, const Inputs& in) {
  require_inputs(in, 2);
  require_kind(*in[0], EdgeKind::kReal, "real");
  require_not_counts(*in[1]);
  if (in[0]->shape != in[1]->shape) {
    misfit("adds " + to_string(in[0]->shape) + " and " + to_string(in[1]->shape));
  }
  return {EdgeKind::kReal, in[0]->shape};
}

Inferred infer(const View& op, const Inputs& in) {
  require_inputs(in, 1);
  if (element_count(op.shape) != element_count(in[0]->shape) ||
      channels_of(op.shape) != channels_of(in[0]->shape)) {
    misfit("views " + to_string(in[0]->shape) + " as " + to_string(op.shape));
  }
  return {in[0]->kind, op.shape};
}

Inferred infer(const SpatialMean&, const Inputs& in) {
  require_inputs(in, 1);
  require_not_counts(*in[0]);
  return {EdgeKind::kReal, {channels_of(in[0]->shape)}};
}

Inferred infer_same(const Inputs& in) {
  require_inputs(in, 1);
  require_kind(*in[0], EdgeKind::kReal, "real");
  return {EdgeKind::kReal, in[0]->shape};
}

Inferred infer(const Scale&, const Inputs& in) {
  return infer_same(in);
}
Inferred infer(const StepMean&, const Inputs& in) {
  return infer_same(in);
}
Inferred infer(const Activation&, const Inputs& in) {
  return infer_same(in);
}

Inferred infer(const SoftmaxAttention& op, const Inputs& in) {
  require_inputs(in, 3);
  for (const Node* node : in) {
    require_kind(*node, EdgeKind::kReal, "real");
    if (node->shape != in[0]->shape) misfit("Q, K and V differ in shape");
  }
  head_dim(channels_of(in[0]->shape), op.heads);
  if (op.context < 0 || (op.context > 0 && in[0]->shape.size() != 1))
    misfit("attends along the steps to vectors only");
  return {EdgeKind::kReal, in[0]->shape};
}

Inferred infer(const Embedding& op, const Inputs& in) {
  require_inputs(in, 1);
  const auto* tokens = std::get_if<Input>(&in[0]->op);
  if (tokens == nullptr || tokens->vocabulary != op.vocabulary || op.vocabulary <= 0) {
    misfit(fmt::format("needs tokens of a vocabulary of {}", op.vocabulary));
  }
  if (op.channels <= 0) misfit("has no channels");
  return {EdgeKind::kReal, {op.channels}};
}

Inferred infer(const Threshold&, const Inputs& in) {
  return {EdgeKind::kSpikes, infer_same(in).shape};
}

void require_channels(const Node& in, int64_t channels) {
  if (channels_of(in.shape) != channels) {
    misfit(fmt::format("needs {} channels, got {}", channels, to_string(in.shape)));
  }
}

Inferred infer(const LayerNorm& op, const Inputs& in) {
  require_inputs(in, 1);
  require_not_counts(*in[0]);
  require_channels(*in[0], op.channels);
  return {EdgeKind::kReal, in[0]->shape};
}

Inferred infer(const Delay&, const Inputs& in) {
  return infer_same(in);
}

// Two real values of one shape.
Inferred infer_pair(const Inputs& in) {
  require_inputs(in, 2);
  for (const Node* node : in) require_kind(*node, EdgeKind::kReal, "real");
  if (in[0]->shape != in[1]->shape) {
    misfit("combines " + to_string(in[0]->shape) + " and " + to_string(in[1]->shape));
  }
  return {EdgeKind::kReal, in[0]->shape};
}

Inferred infer(const TokenMix& op, const Inputs& in) {
  Inferred out = infer_pair(in);
  require_channels(*in[0], op.channels);
  return out;
}

Inferred infer(const Wkv& op, const Inputs& in) {
  Inferred out = infer_pair(in);
  require_channels(*in[0], op.channels);
  return out;
}

Inferred infer(const Mul&, const Inputs& in) {
  return infer_pair(in);
}

void require_vector(const Node& in, int64_t channels) {
  if (in.shape != Shape{channels})
    misfit(fmt::format("needs [{}] a step, got {}", channels, to_string(in.shape)));
}

Inferred infer(const Conv1d& op, const Inputs& in) {
  require_inputs(in, 1);
  require_not_counts(*in[0]);
  require_vector(*in[0], op.in_channels);
  if (op.out_channels <= 0 || op.left < 0 || op.right < 0)
    misfit("has an impossible window or no outputs");
  return {EdgeKind::kReal, {op.out_channels}};
}

Inferred infer(const LmuMemory& op, const Inputs& in) {
  require_inputs(in, 1);
  require_not_counts(*in[0]);
  require_vector(*in[0], 1);
  const bool fft = op.form == LmuForm::kFft;
  if (op.order < 1 || !(op.theta > 0) || op.taps < 1 || (fft && op.steps < 1))
    misfit("has an impossible order, theta, number of taps or of steps");
  return {EdgeKind::kReal, {op.order}};
}

Inferred infer(const Concat&, const Inputs& in) {
  if (in.size() != 2 && in.size() != 3) misfit("joins two or three values");
  int64_t channels = 0;
  EdgeKind kind = EdgeKind::kSpikes;
  for (const Node* node : in) {
    require_not_counts(*node);
    if (node->kind == EdgeKind::kReal) kind = EdgeKind::kReal;
    require_vector(*node, channels_of(node->shape));
    channels += channels_of(node->shape);
  }
  return {kind, {channels}};
}

Inferred infer(const Positions& op, const Inputs& in) {
  Inferred out = infer_same(in);
  require_channels(*in[0], op.channels);
  const int64_t rows = rows_of(in[0]->shape);
  if (op.count < 1 || rows != (op.along_steps ? 1 : op.count))
    misfit(fmt::format("has {} positions for {} rows", op.count, rows));
  return out;
}

Inferred infer(const Prepend& op, const Inputs& in) {
  infer_same(in);
  require_channels(*in[0], op.channels);
  return {EdgeKind::kReal, {rows_of(in[0]->shape) + 1, op.channels}};
}

Inferred infer(const FirstRow&, const Inputs& in) {
  infer_same(in);
  return {EdgeKind::kReal, {channels_of(in[0]->shape)}};
}

}  // namespace

NodeId Graph::add(std::string name, Op op, std::vector<NodeId> inputs) {
  if (find(name)) throw Error(ErrorCode::kInternal, "node '" + name + "' occurs twice");
  Inputs in;
  bool is_static = true;
  for (const NodeId id : inputs) {
    in.push_back(&node(id));
    is_static = is_static && node(id).is_static;
  }
  if (const auto* input = std::get_if<Input>(&op)) is_static = input->repeated;
  try {
    Inferred out = std::visit([&](const auto& o) { return infer(o, in); }, op);
    element_count(out.shape);
    const StepWindow window = window_of(op);
    if (is_static && (window.left > 0 || window.right > 0))
      misfit("looks at neighbouring steps, but its input is one frame for all steps");
    Node added{std::move(name), std::move(op),        std::move(inputs),
               out.kind,        std::move(out.shape), false};
    added.is_static = is_static && state_of(added).empty();
    nodes_.push_back(std::move(added));
    ids_.emplace(nodes_.back().name, size() - 1);
  } catch (const Error& error) {
    throw error.in(name);
  }
  return size() - 1;
}

}  // namespace spikeloom
