#include "sim/graph/fold.hpp"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "sim/graph/ordered_product.hpp"

namespace spikeloom {
namespace {

using Vector = Eigen::VectorXd;

Vector vector_of(std::span<const float> values) {
  return Eigen::Map<const Eigen::VectorXf>(values.data(), std::ssize(values)).cast<double>();
}

// An operator behind the first layer of a chain.
struct Link {
  enum class Kind { kNorm, kPointwise, kDepthwise, kDense };
  Kind kind = Kind::kNorm;
  Vector scale, shift;  // of a norm
  // Pointwise: the matrix [outputs][inputs]. Depthwise: one matrix [channels][taps]. Dense: the
  // matrix of each tap.
  std::vector<RowMatrix> matrices;
  Vector bias;

  int64_t taps() const {
    return kind == Kind::kDepthwise ? matrices[0].cols() : std::ssize(matrices);
  }
};

Link link_of(const Op& op, const Weights& weights) {
  Link link;
  if (const BatchNorm* norm = norm_of(op)) {
    const Affine affine = affine_of(*norm, weights);
    link.scale = Eigen::Map<const Vector>(affine.scale.data(), norm->channels);
    link.shift = Eigen::Map<const Vector>(affine.shift.data(), norm->channels);
    return link;
  }
  const Layer layer = layer_of(op);
  link.kind = layer.pointwise    ? Link::Kind::kPointwise
              : layer.groups > 1 ? Link::Kind::kDepthwise
                                 : Link::Kind::kDense;
  link.bias = layer.bias.empty() ? Vector(Vector::Zero(layer.outputs))
                                 : vector_of(weights.at(layer.bias).data.f32());
  const float* stored = weights.at(layer.weight).data.f32().data();
  using Stored = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  if (link.kind == Link::Kind::kDense) {
    for (int64_t tap = 0; tap < layer.taps; ++tap) {
      using Strided = Eigen::Map<const Stored, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;
      link.matrices.emplace_back(Strided(stored + tap, layer.outputs, layer.inputs,
                                         {layer.inputs * layer.taps, layer.taps})
                                     .cast<double>());
    }
  } else {
    link.matrices.emplace_back(
        Eigen::Map<const Stored>(stored, layer.outputs, layer.inputs * layer.taps).cast<double>());
  }
  return link;
}

// The value that is added everywhere behind a link, given the one before it.
Vector constant_behind(const Link& link, const Vector& before) {
  if (link.kind == Link::Kind::kNorm) return before.cwiseProduct(link.scale) + link.shift;
  if (link.kind == Link::Kind::kPointwise)
    return Vector(ordered_product(link.matrices[0], before)) + link.bias;
  Vector constant = link.bias;
  for (int64_t tap = 0; tap < link.taps(); ++tap) {
    if (link.kind == Link::Kind::kDepthwise) {
      constant += link.matrices[0].col(tap).cwiseProduct(before);
    } else {
      constant += Vector(ordered_product(link.matrices[static_cast<size_t>(tap)], before));
    }
  }
  return constant;
}

// Memory of one thread for some inputs' columns: of a link, of the next one, of a tap, and panels.
struct Scratch {
  std::vector<double> now, next, part, panels;
};

// A chain, ready to be evaluated for some inputs at a time: the columns of a merged weight that
// belong to one input follow from that input's columns of the first weight alone.
class Folding {
 public:
  Folding(std::span<const Op* const> chain, const Weights& weights) : first_(layer_of(*chain[0])) {
    stored_ = weights.at(first_.weight).data.f32().data();
    inputs_ = first_.inputs;
    constant_ = first_.bias.empty() ? Vector(Vector::Zero(first_.outputs))
                                    : vector_of(weights.at(first_.bias).data.f32());
    for (const Op* op : chain.subspan(1)) {
      links_.push_back(link_of(*op, weights));
      constant_ = constant_behind(links_.back(), constant_);
    }
    if (first_.groups > 1) take_depthwise();
  }

  int64_t inputs() const noexcept { return inputs_; }
  const Vector& constant() const noexcept { return constant_; }

  // Inputs of a block: about so many columns as make a product worth its panels.
  int64_t block() const noexcept { return std::max<int64_t>(4, 72 / most_taps()); }

  Scratch scratch() const {
    const int64_t columns = block() * most_taps();
    int64_t rows = first_.outputs, inner = 0;
    for (const Link& link : links_) {
      if (link.kind == Link::Kind::kNorm) continue;
      rows = std::max<int64_t>(rows, link.matrices[0].rows());
      inner = std::max<int64_t>(inner, link.matrices[0].cols());
    }
    const auto size = static_cast<size_t>(rows * columns);
    return {std::vector<double>(size), std::vector<double>(size), std::vector<double>(size),
            std::vector<double>(product_room(inner, columns))};
  }

  // Inputs [first, first + count) of a weight [outputs][inputs][taps].
  void run(int64_t first, int64_t count, Scratch& scratch, float* weight) const noexcept {
    Block block{first, count, first_.outputs, first_.taps};
    auto link = links_.begin();
    if (head_.size() > 0) {
      start_depthwise(block, scratch);
      link += after_head_;
    } else {
      start(block, scratch);
    }
    for (; link != links_.end(); ++link) apply(*link, block, scratch);
    const double* from = scratch.now.data();
    for (int64_t o = 0; o < block.rows; ++o, from += block.columns()) {
      std::transform(from, from + block.columns(), weight + (o * inputs_ + first) * block.taps,
                     [](double value) { return static_cast<float>(value); });
    }
  }

 private:
  struct Block {
    int64_t first = 0, inputs = 0, rows = 0, taps = 1;
    int64_t columns() const noexcept { return inputs * taps; }
  };

  // A depthwise layer in front of a 1x1: together they are dense, input by input.
  void take_depthwise() {
    const auto dense = std::find_if(links_.begin(), links_.end(), [](const Link& link) {
      return link.kind == Link::Kind::kPointwise;
    });
    if (dense == links_.end()) return;
    head_ = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
                stored_, first_.outputs, first_.taps)
                .cast<double>();
    for (auto norm = links_.begin(); norm != dense; ++norm)
      head_.array().colwise() *= norm->scale.array();
    inputs_ = first_.outputs;
    after_head_ = dense - links_.begin() + 1;
  }

  void start(const Block& block, Scratch& scratch) const noexcept {
    double* to = scratch.now.data();
    for (int64_t o = 0; o < block.rows; ++o) {
      const float* from = stored_ + (o * inputs_ + block.first) * block.taps;
      to = std::transform(from, from + block.columns(), to,
                          [](float value) { return static_cast<double>(value); });
    }
  }

  void start_depthwise(Block& block, Scratch& scratch) const noexcept {
    const RowMatrix& matrix = links_[static_cast<size_t>(after_head_ - 1)].matrices[0];
    block.rows = matrix.rows();
    double* to = scratch.now.data();
    for (int64_t o = 0; o < block.rows; ++o) {
      const double* factors = matrix.data() + o * inputs_ + block.first;
      const double* head = head_.data() + block.first * block.taps;
      for (int64_t i = 0; i < block.inputs; ++i)
        for (int64_t k = 0; k < block.taps; ++k) *to++ = factors[i] * *head++;
    }
  }

  void apply(const Link& link, Block& block, Scratch& scratch) const noexcept {
    double* now = scratch.now.data();
    double* next = scratch.next.data();
    if (link.kind == Link::Kind::kNorm) {
      for (int64_t o = 0; o < block.rows; ++o)
        for (int64_t c = 0; c < block.columns(); ++c) *now++ *= link.scale[o];
      return;
    }
    const RowMatrix& matrix = link.matrices[0];
    const ProductShape shape{matrix.rows(), matrix.cols(), block.columns(), block.columns()};
    if (link.kind == Link::Kind::kPointwise) {
      ordered_product(shape, matrix.data(), now, next, scratch.panels.data());
    } else {  // so far one tap
      block.taps = link.taps();
      for (int64_t tap = 0; link.kind == Link::Kind::kDense && tap < block.taps; ++tap) {
        const double* part = scratch.part.data();
        ordered_product(shape, link.matrices[static_cast<size_t>(tap)].data(), now,
                        scratch.part.data(), scratch.panels.data());
        for (int64_t i = 0; i < shape.rows * block.inputs; ++i)
          next[i * block.taps + tap] = part[i];
      }
      for (int64_t o = 0; link.kind == Link::Kind::kDepthwise && o < block.rows; ++o)
        for (int64_t i = 0; i < block.inputs; ++i, ++now)
          for (int64_t k = 0; k < block.taps; ++k) *next++ = matrix(o, k) * *now;
    }
    block.rows = matrix.rows();
    std::swap(scratch.now, scratch.next);
  }

  int64_t most_taps() const noexcept {
    int64_t most = first_.taps;
    for (const Link& link : links_)
      if (link.kind != Link::Kind::kNorm) most = std::max(most, link.taps());
    return most;
  }

  const Layer first_;
  const float* stored_ = nullptr;
  int64_t inputs_ = 0;  // of the merged weight
  std::vector<Link> links_;
  Vector constant_;
  RowMatrix head_;  // [channels][taps] of a depthwise start and its norms, before a 1x1
  std::ptrdiff_t after_head_ = 0;
};

}  // namespace

const BatchNorm* norm_of(const Op& op) {
  return std::get_if<BatchNorm>(&op);
}

void fold(std::span<const Op* const> chain, const Weights& weights, int threads, Tensor& weight,
          Tensor& bias) {
  const Folding folding(chain, weights);
  std::transform(folding.constant().begin(), folding.constant().end(), bias.f32().begin(),
                 [](double value) { return static_cast<float>(value); });
  const int64_t each = folding.block(), blocks = (folding.inputs() + each - 1) / each;
  float* const to = weight.f32().data();
  const auto workers = std::clamp<int64_t>(threads, 1, blocks);
  std::vector<Scratch> scratches;
  for (int64_t i = 0; i < workers; ++i) scratches.push_back(folding.scratch());
  std::atomic<int64_t> next{0};
  parallel_samples(workers, threads, [&](int64_t worker) {
    for (int64_t block = next++; block < blocks; block = next++) {
      folding.run(block * each, std::min(each, folding.inputs() - block * each),
                  scratches[static_cast<size_t>(worker)], to);
    }
  });
}

}  // namespace spikeloom
