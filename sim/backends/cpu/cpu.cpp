#include "sim/backends/cpu/cpu.hpp"

#include <algorithm>
#include <cctype>

#include "core/error.hpp"
#include "sim/backends/cpu/attention.hpp"
#include "sim/backends/cpu/conv.hpp"
#include "sim/backends/cpu/conv1d_lmu.hpp"
#include "sim/backends/cpu/depthwise.hpp"
#include "sim/backends/cpu/elementwise.hpp"
#include "sim/backends/cpu/general_conv.hpp"
#include "sim/backends/cpu/maps.hpp"
#include "sim/backends/cpu/measure.hpp"
#include "sim/backends/cpu/narrow_linear.hpp"
#include "sim/backends/cpu/neurons.hpp"
#include "sim/backends/cpu/sequence.hpp"
#include "sim/backends/cpu/targets.hpp"
// After targets.hpp:
#include <hwy/highway.h>

namespace spikeloom {
namespace {

struct Target {
  int64_t id;
  std::string name;
};

// The field's names for Highway's.
std::string name_of_target(int64_t id) {
  if ((id & (HWY_SCALAR | HWY_EMU128)) != 0) return "scalar";
  if (id == HWY_AVX3) return "avx512";
  std::string name = hwy::TargetName(id);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

// Targets this program holds and this machine supports, best first (Highway numbers better ones
// lower).
std::vector<Target> supported_targets() {
  constexpr int64_t kPlain = HWY_SCALAR | HWY_EMU128;
  std::vector<Target> result;
  const int64_t held = HWY_TARGETS;
  for (int64_t left = held & (hwy::SupportedTargets() | HWY_STATIC_TARGET | kPlain); left != 0;
       left &= left - 1) {
    const int64_t id = left & -left;
    result.push_back({id, name_of_target(id)});
  }
  return result;
}

Target find_target(std::string_view name) {
  const std::vector<Target> targets = supported_targets();
  if (name.empty()) return targets.front();
  std::string names;
  for (const Target& target : targets) {
    if (target.name == name) return target;
    names += (names.empty() ? "" : ", ") + target.name;
  }
  throw Error(ErrorCode::kUsage, "SIMD target '" + std::string(name) +
                                     "' is not supported here; choose one of " + names);
}

// One function per operator family, of one target.
struct Kernels {
  cpu::ConvKernel event_conv, dense_conv;
  cpu::DepthwiseKernel depthwise;
  cpu::GeneralConvKernel general_conv;
  cpu::KtVKernel ktv;
  cpu::QApplyKernel qapply;
  cpu::SoftmaxKernel softmax;
  cpu::ElementwiseKernel elementwise;
  cpu::SequenceKernel sequence;
  cpu::PoolKernel pool;
  cpu::FlattenKernel flatten;
  cpu::Conv1dKernel conv1d;
  cpu::LmuKernel lmu;
  cpu::StreamKernel stream;
  cpu::NeuronKernel neuron;

  explicit Kernels(int64_t target)
      : event_conv(cpu::event_conv_for(target)),
        dense_conv(cpu::dense_conv_for(target)),
        depthwise(cpu::depthwise_for(target)),
        general_conv(cpu::general_conv_for(target)),
        ktv(cpu::ktv_for(target)),
        qapply(cpu::qapply_for(target)),
        softmax(cpu::softmax_for(target)),
        elementwise(cpu::elementwise_for(target)),
        sequence(cpu::sequence_for(target)),
        pool(cpu::pool_for(target)),
        flatten(cpu::flatten_for(target)),
        conv1d(cpu::conv1d_for(target)),
        lmu(cpu::lmu_for(target)),
        stream(cpu::stream_for(target)),
        neuron(cpu::neuron_for(target)) {}
};

// PackedConv::dense_load where independent spikes of the break-even rate have it.
double dense_load(const SumChoice& choice, const cpu::PackedConv& conv) {
  if (choice.path == SumPath::kEvents) return cpu::PackedConv::kAllEvents;
  if (choice.path == SumPath::kDense) return cpu::PackedConv::kAllDense;
  const DType dtype = conv.weights.dtype();
  const Precision precision = dtype == DType::kI8    ? Precision::kInt8
                              : dtype == DType::kI16 ? Precision::kAcc16
                                                     : Precision::kF32;
  const cpu::Window& w = conv.window;
  const double rate =
      break_even_rate(choice.rates, precision, w.kernel, conv.fan_in(), w.out_channels);
  // What the kernel counts costs a chunk 1 + rate times its events: see PackedConv::dense_load.
  return rate * (1 + rate);
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(const Target& target, const SumChoice& choice)
      : simd_(target.name), kernels_(target.id), choice_(choice) {}

  std::string name() const override { return "cpu"; }
  std::string simd() const override { return simd_; }
  bool groups_units() const noexcept override { return true; }

  std::shared_ptr<const void> prepare(const Graph& graph, const Unit& unit,
                                      const Weights& weights) const override {
    auto packed = std::make_shared<cpu::PackedUnit>(cpu::pack(graph, unit, weights));
    if (auto* conv = std::get_if<cpu::PackedConv>(&packed->main))
      conv->dense_load = dense_load(choice_, *conv);
    return packed;
  }

  std::shared_ptr<void> workspace(const void* prepared) const override {
    const auto* memory =
        std::get_if<cpu::PackedLmu>(&static_cast<const cpu::PackedUnit*>(prepared)->main);
    return memory != nullptr && memory->fft ? memory->fft->workspace() : nullptr;
  }

  void run(const Graph&, const Unit&, const void* prepared,
           const UnitIo& io) const noexcept override {
    const auto& unit = *static_cast<const cpu::PackedUnit*>(prepared);
    const cpu::PackedEpilogue& e = unit.epilogue;
    const bool spikes = io.in[0].bits != nullptr;
    std::visit(Overloaded{
                   [&](const cpu::PackedConv& p) {
                     (spikes ? kernels_.event_conv : kernels_.dense_conv)(p, e, io);
                   },
                   [&](const cpu::PackedDepthwise& p) { kernels_.depthwise(p, e, io); },
                   [&](const cpu::PackedGeneralConv& p) { kernels_.general_conv(p, e, io); },
                   [&](const cpu::PackedKtV& p) { kernels_.ktv(p, e, io); },
                   [&](const cpu::PackedQApply& p) { kernels_.qapply(p, e, io); },
                   [&](const cpu::PackedSoftmax& p) { kernels_.softmax(p, e, io); },
                   [&](const cpu::PackedEmbedding&) { kernels_.sequence(unit, io); },
                   [&](const cpu::PackedThreshold&) { kernels_.sequence(unit, io); },
                   [&](const cpu::PackedLayerNorm&) { kernels_.sequence(unit, io); },
                   [&](const cpu::PackedDelay&) { kernels_.sequence(unit, io); },
                   [&](const cpu::PackedTokenMix&) { kernels_.sequence(unit, io); },
                   [&](const cpu::PackedWkv&) { kernels_.sequence(unit, io); },
                   [&](const cpu::PackedConv1d& p) { kernels_.conv1d(p, e, io); },
                   [&](const cpu::PackedLmu& p) { kernels_.lmu(p, e, io); },
                   [&](const cpu::PackedStream& p) { kernels_.stream(p, e, io); },
                   [&](const cpu::PackedNeuron& p) { kernels_.neuron(p, e, io); },
                   [&](const cpu::PackedNorm&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedCopy&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedAdd&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedScale&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedActivation&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedMul&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedPositions&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedPrepend&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedFirstRow&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedSpatialMean&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedStepMean&) { kernels_.elementwise(unit, io); },
                   [&](const cpu::PackedPool& p) { kernels_.pool(p, e, io); },
                   [&](const cpu::PackedFlatten& p) { kernels_.flatten(p, e, io); },
                   [&](const cpu::PackedConcat&) { kernels_.elementwise(unit, io); },
               },
               unit.main);
  }

 private:
  std::string simd_;
  Kernels kernels_;
  SumChoice choice_;
};

}  // namespace

std::vector<std::string> cpu_simd_targets() {
  std::vector<std::string> names;
  for (const Target& target : supported_targets()) names.push_back(target.name);
  return names;
}

BreakEven measure_break_even(std::string_view simd) {
  const int64_t target = find_target(simd).id;
  if ((target & (HWY_SCALAR | HWY_EMU128)) != 0) {  // exact products without instructions for them
    BreakEven always_events;
    always_events.fill(1);
    return always_events;
  }
  return cpu::measure_break_even(cpu::event_conv_for(target));
}

std::shared_ptr<const Backend> make_cpu_backend(std::string_view simd, const SumChoice& choice) {
  return std::make_shared<CpuBackend>(find_target(simd), choice);
}

}  // namespace spikeloom
