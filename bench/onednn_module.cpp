#include "bench/onednn_module.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "core/error.hpp"
#include "sim/graph/lmu.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {
namespace {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
using Type = dnnl::memory::data_type;

Desc any(const Dims& dims, Type type) {
  return {dims, type, Tag::any};
}

// Values in natural order, and how to show them to oneDNN.
struct Plain {
  Dims dims;
  Tag tag;
  std::vector<float> values;
};

// One or two primitives, one behind the other, with their memory.
class Primitives {
 public:
  // Primitives are planned for the number of threads that is set when they are made.
  explicit Primitives(int threads) : threads_(threads) { omp_set_num_threads(threads); }

  // A copy of `plain` in the wanted format and type; rounds.
  dnnl::memory load(const Plain& plain, const Desc& wanted) {
    dnnl::memory from(Desc(plain.dims, Type::f32, plain.tag), engine_), to(wanted, engine_);
    std::copy(plain.values.begin(), plain.values.end(),
              static_cast<float*>(from.get_data_handle()));
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    return to;
  }
  dnnl::memory result(const Desc& desc) { return dnnl::memory(desc, engine_); }
  void add(const dnnl::primitive& primitive, std::unordered_map<int, dnnl::memory> arguments) {
    steps_.emplace_back(primitive, std::move(arguments));
  }
  void run() {
    omp_set_num_threads(threads_);
    for (const auto& [primitive, arguments] : steps_) primitive.execute(stream_, arguments);
    stream_.wait();
  }
  // The last result as fp32 in the order `tag` gives its dimensions.
  std::vector<float> values(const Dims& dims, Tag tag) {
    dnnl::memory from = steps_.back().second.at(DNNL_ARG_DST);
    dnnl::memory to(Desc(dims, Type::f32, tag), engine_);
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    const auto* data = static_cast<const float*>(to.get_data_handle());
    int64_t count = 1;
    for (const int64_t extent : dims) count *= extent;
    return {data, data + count};
  }
  const dnnl::engine& engine() const noexcept { return engine_; }

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::vector<std::pair<dnnl::primitive, std::unordered_map<int, dnnl::memory>>> steps_;
  int threads_;
};

struct Types {
  Type in, weights;
};
Types types_of(DenseType type) {
  switch (type) {
    case DenseType::kF32: return {Type::f32, Type::f32};
    case DenseType::kBf16: return {Type::bf16, Type::bf16};
    case DenseType::kInt8: break;
  }
  return {Type::u8, Type::s8};
}

// An operand's steps without padding, [steps * rows, channels].
std::vector<float> unpadded(const LayerOperand& operand, int64_t steps) {
  std::vector<float> values;
  const float* from =
      operand.real.f32().data() + operand.history * operand.rows * padded(operand.channels);
  for (int64_t line = 0; line < steps * operand.rows; ++line, from += padded(operand.channels))
    values.insert(values.end(), from, from + operand.channels);
  return values;
}

// Weights to whole numbers up to 127 with a scale for each of `outputs`; other types stay.
std::vector<float> quantised(std::vector<float>& weights, int64_t outputs, DenseType type) {
  std::vector<float> scales;
  if (type != DenseType::kInt8) return scales;
  const auto each = static_cast<int64_t>(weights.size()) / outputs;
  for (int64_t o = 0; o < outputs; ++o) {
    const auto begin = weights.begin() + o * each, end = begin + each;
    float largest = 0;
    for (auto at = begin; at != end; ++at) largest = std::max(largest, std::fabs(*at));
    scales.push_back(largest > 0 ? largest / 127 : 1.0f);
    for (auto at = begin; at != end; ++at) *at = std::nearbyint(*at / scales.back());
  }
  return scales;
}

dnnl::primitive_attr scaled(const std::vector<float>& scales) {
  constexpr int kOutputChannels = 1 << 1;
  dnnl::primitive_attr attr;
  if (!scales.empty()) attr.set_output_scales(kOutputChannels, scales);
  return attr;
}

using Shared = std::shared_ptr<Primitives>;

// What both kinds of layers with weights have in common.
template <typename Description>
void add_layer(Primitives& primitives, const Description& description, const Plain& in,
               const Plain& weights) {
  const dnnl::memory source = primitives.load(in, description.src_desc());
  const dnnl::memory matrix = primitives.load(weights, description.weights_desc());
  const dnnl::memory out = primitives.result(description.dst_desc());
  using Primitive =
      std::conditional_t<std::is_same_v<Description, dnnl::convolution_forward::primitive_desc>,
                         dnnl::convolution_forward, dnnl::inner_product_forward>;
  primitives.add(Primitive(description),
                 {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, matrix}, {DNNL_ARG_DST, out}});
}

OneDnnRun finish(const Shared& primitives, const Dims& dims, Tag tag, int64_t lines,
                 int64_t channels) {
  return {[primitives] { primitives->run(); },
          [=] {
            Tensor sums({lines, channels});
            const std::vector<float> values = primitives->values(dims, tag);
            std::copy(values.begin(), values.end(), sums.f32().begin());
            return sums;
          }};
}

OneDnnRun linear(const Shared& p, const BenchLayer& layer, const LayerData& data,
                 const Weights& weights, DenseType type) {
  const int64_t rows = data.steps * layer.rows;
  const auto stored = weights.at("w").data.f32();
  std::vector<float> matrix(stored.begin(), stored.end());
  const dnnl::primitive_attr attr = scaled(quantised(matrix, layer.out, type));
  const Dims in = {rows, layer.in}, kernel = {layer.out, layer.in}, out = {rows, layer.out};
  const dnnl::inner_product_forward::desc desc(
      dnnl::prop_kind::forward_inference, any(in, types_of(type).in),
      any(kernel, types_of(type).weights), any(out, Type::f32));
  add_layer(*p, dnnl::inner_product_forward::primitive_desc(desc, attr, p->engine()),
            {in, Tag::ab, unpadded(data.operands[0], data.steps)},
            {kernel, Tag::ab, std::move(matrix)});
  return finish(p, out, Tag::ab, rows, layer.out);
}

OneDnnRun convolution(const Shared& p, const BenchLayer& layer, const LayerData& data,
                      const Weights& weights, DenseType type) {
  const int64_t k = layer.kernel, g = layer.groups, size = layer.size;
  const auto stored = weights.at("w").data.f32();
  std::vector<float> taps(stored.begin(), stored.end());
  const dnnl::primitive_attr attr = scaled(quantised(taps, layer.out, type));
  const Dims in = {data.steps, layer.in, size, size}, out = {data.steps, layer.out, size, size};
  const Dims kernel =
      g > 1 ? Dims{g, layer.out / g, layer.in / g, k, k} : Dims{layer.out, layer.in, k, k};
  const Dims pad = {k / 2, k / 2};
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      any(in, types_of(type).in), any(kernel, types_of(type).weights), any(out, Type::f32), {1, 1},
      pad, pad);
  add_layer(*p, dnnl::convolution_forward::primitive_desc(desc, attr, p->engine()),
            {in, Tag::nhwc, unpadded(data.operands[0], data.steps)},
            {kernel, g > 1 ? Tag::goihw : Tag::oihw, std::move(taps)});
  return finish(p, out, Tag::nhwc, data.steps * size * size, layer.out);
}

// a [.., m, k] times b [.., k, n]; the result plain, so that another product may read it.
dnnl::memory product(Primitives& p, const dnnl::memory& a, const dnnl::memory& b, const Desc& out) {
  const dnnl::matmul::primitive_desc description(
      dnnl::matmul::desc(a.get_desc(), b.get_desc(), out), p.engine());
  const dnnl::memory result = p.result(out);
  p.add(dnnl::matmul(description),
        {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, result}});
  return result;
}

// [steps * tokens, heads * d] to [steps * heads, tokens, d], or back.
std::vector<float> swap_heads(const std::vector<float>& from, const BenchLayer& layer,
                              int64_t steps, bool back) {
  const int64_t n = layer.rows, heads = layer.heads, d = layer.in / heads;
  std::vector<float> to(from.size());
  for (int64_t batch = 0; batch < steps * heads; ++batch) {
    for (int64_t token = 0; token < n; ++token) {
      const int64_t line = (batch / heads) * n + token;
      const int64_t wide = line * layer.in + batch % heads * d, narrow = (batch * n + token) * d;
      std::copy_n(from.begin() + (back ? narrow : wide), d, to.begin() + (back ? wide : narrow));
    }
  }
  return to;
}

OneDnnRun attention(const Shared& p, const BenchLayer& layer, const LayerData& data,
                    DenseType type) {
  const int64_t batch = data.steps * layer.heads, n = layer.rows, d = layer.in / layer.heads;
  const Type in = types_of(type).in;
  const auto load = [&](size_t i, const Dims& dims, Tag tag) {
    return p->load(
        {dims, tag, swap_heads(unpadded(data.operands[i], data.steps), layer, data.steps, false)},
        Desc(dims, in, tag));
  };
  const dnnl::memory k = load(0, {batch, d, n}, Tag::acb), v = load(1, {batch, n, d}, Tag::abc);
  const dnnl::memory q = load(2, {batch, n, d}, Tag::abc);
  const dnnl::memory kv = product(*p, k, v, Desc({batch, d, d}, in, Tag::abc));
  const Dims out = {batch, n, d};
  product(*p, q, kv, Desc(out, Type::f32, Tag::abc));
  const int64_t steps = data.steps;
  return {[p] { p->run(); },
          [=] {
            Tensor sums({steps * n, layer.in});
            const auto values = swap_heads(p->values(out, Tag::abc), layer, steps, true);
            std::copy(values.begin(), values.end(), sums.f32().begin());
            return sums;
          }};
}

OneDnnRun legendre(const Shared& p, const BenchLayer& layer, const LayerData& data,
                   DenseType type) {
  const int64_t steps = data.steps, order = layer.out;
  const auto system = lmu_system(order, static_cast<double>(steps));
  const std::vector<float> u = unpadded(data.operands[0], steps);
  std::vector<float> past(static_cast<size_t>(steps * steps)), response;
  for (int64_t t = 0; t < steps; ++t)
    std::reverse_copy(u.begin(), u.begin() + t + 1, past.begin() + t * steps);
  for (int64_t k = 0; k < steps; ++k) {
    for (int64_t i = 0; i < order; ++i) {
      const auto at = static_cast<size_t>(k * order + i);
      response.push_back(k < system->taps ? static_cast<float>(system->h[at]) : 0.0f);
    }
  }
  const Dims in = {steps, steps}, matrix = {steps, order}, out = {steps, order};
  const Types types = types_of(type);
  const dnnl::matmul::primitive_desc description(
      dnnl::matmul::desc(any(in, types.in), any(matrix, types.weights),
                         Desc(out, Type::f32, Tag::ab)),
      p->engine());
  const dnnl::memory a = p->load({in, Tag::ab, std::move(past)}, description.src_desc());
  const dnnl::memory b =
      p->load({matrix, Tag::ab, std::move(response)}, description.weights_desc());
  p->add(dnnl::matmul(description), {{DNNL_ARG_SRC, a},
                                     {DNNL_ARG_WEIGHTS, b},
                                     {DNNL_ARG_DST, p->result(description.dst_desc())}});
  return finish(p, out, Tag::ab, steps, order);
}

std::string version() {
  const dnnl_version_t* found = dnnl_version();
  return fmt::format("{}.{}.{}", found->major, found->minor, found->patch);
}

std::optional<OneDnnRun> dense_layer(const BenchLayer& layer, const LayerData& data,
                                     const Weights& weights, DenseType type, int threads) {
  const bool has_weights =
      layer.kind == BenchLayerKind::kLinear || layer.kind == BenchLayerKind::kConv;
  if (type == DenseType::kInt8 && (layer.real || !has_weights)) return std::nullopt;
  if (layer.kind == BenchLayerKind::kLif) return std::nullopt;
  const auto primitives = std::make_shared<Primitives>(threads);
  try {
    switch (layer.kind) {
      case BenchLayerKind::kLinear: return linear(primitives, layer, data, weights, type);
      case BenchLayerKind::kConv: return convolution(primitives, layer, data, weights, type);
      case BenchLayerKind::kAttention: return attention(primitives, layer, data, type);
      case BenchLayerKind::kLmu: return legendre(primitives, layer, data, type);
      case BenchLayerKind::kLif: break;
    }
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return std::nullopt;  // on this processor
    throw Error(ErrorCode::kRuntime, "oneDNN: " + layer.name + ": " + error.what());
  }
  return std::nullopt;
}

}  // namespace
}  // namespace spikeloom

extern "C" __attribute__((visibility("default")))
const spikeloom::OneDnnModule spikeloom_onednn_module = {
    spikeloom::kOneDnnBuild, spikeloom::version, spikeloom::dense_layer};
