#include "run/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.hpp"
#include "core/memory_limit.hpp"
#include "run/sample_loop.hpp"
#include "run/watched_arrays.hpp"
#include "sim/counts/neurobench.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/plan/layout.hpp"

namespace spikeloom {
namespace {

double bytes_of(const Shape& shape) {
  return sizeof(float) * static_cast<double>(element_count(shape));
}

// Bytes of one weight in the kernel's layout.
double weight_bytes(const Graph& graph, const Node& node, Precision precision) {
  switch (dtype_in(graph, node, precision)) {
    case DType::kI16:
    case DType::kBF16: return 2;
    case DType::kI8: return 1;
    default: return 4;
  }
}

// The main array of an operator as the backend keeps it.
double packed_bytes_of(const Graph& graph, const Node& node, const MemoryPlan& plan,
                       Precision precision) {
  const Shape shape = parameters_of(node.op)[0].shape;
  if (plan.device == kReferenceDevice) return bytes_of(shape);
  const double rest = bytes_of(shape) / sizeof(float) / static_cast<double>(shape[0]);
  if (weight_of(node.op).empty()) {
    const double rows = bytes_of(shape) / sizeof(float) / static_cast<double>(channels_of(shape));
    return sizeof(float) * rows * static_cast<double>(padded(channels_of(shape)));
  }
  if (const auto* conv = std::get_if<Conv1d>(&node.op)) {
    return sizeof(float) * static_cast<double>(padded(conv->out_channels) *
                                               padded(conv->in_channels) * conv->kernel());
  }
  return weight_bytes(graph, node, precision) * static_cast<double>(padded(shape[0])) * rest;
}

struct WeightSizes {
  double stored = 0, packed = 0, largest = 0;  // fp32 arrays; as kernels keep them; largest of them
};

WeightSizes sizes_of(const Graph& graph, const MemoryPlan& plan, Precision precision) {
  WeightSizes sizes;
  std::set<std::string> seen;
  for (const Node& node : graph.nodes()) {
    const auto parameters = parameters_of(node.op);
    if (parameters.empty()) continue;
    sizes.packed += packed_bytes_of(graph, node, plan, precision);
    for (const Parameter& parameter : parameters) {
      if (!seen.insert(parameter.name).second) continue;
      const double bytes = bytes_of(parameter.shape);
      sizes.stored += bytes;
      sizes.largest = std::max(sizes.largest, bytes);
    }
  }
  return sizes;
}

// Rows wait in memory until a chunk of the file is full; full ones, and what they are packed into,
// wait for their turn.
double recorder_bytes(const Graph& graph, int64_t rows) {
  constexpr double kChunkBytes = 262144, kQueueBytes = 16777216;
  double sum = 0, all = 0;
  for (const Population& population : populations_of(graph)) {
    const double row =
        static_cast<double>(population.rows() * channels_of(population.shape)) / 8 + 16;
    sum += 3 * std::min(std::max(kChunkBytes, row), row * static_cast<double>(rows));
    all += row * static_cast<double>(rows);
  }
  return sum + 2 * std::min(kQueueBytes, all);
}

constexpr double kOverhead = 24e6;  // the program and its libraries

// What a smaller plan would take, as advice.
std::string advice(const Graph& graph, const MemoryPlan& plan, double needed) {
  std::string text;
  const auto offer = [&](const MemoryPlan& other, const char* what) {
    const double less = memory_need(graph, other).most();
    if (less > 0.9 * needed) return;
    text += fmt::format("{}{} takes {:.2f} GB", text.empty() ? "; " : ", ", what, less / 1e9);
  };
  MemoryPlan other = plan;
  other.batch = 1;
  if (plan.batch > 1) offer(other, "run.batch = 1");
  other.options.schedule = Schedule::kStepMajor;
  if (plan.options.schedule == Schedule::kLayerMajor && plan.options.chunk_steps > 1)
    offer(other, plan.batch > 1 ? "with run.schedule = \"step-major\" it"
                                : "run.schedule = \"step-major\"");
  MemoryPlan bare = plan;
  bare.records = false;
  if (plan.records) offer(bare, "trace.layers = \"none\"");
  MemoryPlan blind = plan;
  blind.features.clear();
  blind.membranes.clear();
  if (!plan.features.empty() || !plan.membranes.empty())
    offer(blind, "without output.features and output.membranes it");
  MemoryPlan uncounted = plan;
  uncounted.neurobench = false;
  if (plan.neurobench) offer(uncounted, "report.neurobench = false");
  MemoryPlan written = plan;
  written.fuses = false;
  if (plan.fuses) offer(written, "run.form = \"as_written\"");
  const MemoryNeed need = memory_need(graph, plan);
  if (need.sessions + need.samples > need.weights)
    text += text.empty() ? "; smaller inputs would help (dataset.size, dataset.crop)"
                         : ", smaller inputs less";
  return text;
}

}  // namespace

MemoryNeed memory_need(const Graph& graph, const MemoryPlan& plan) {
  const bool fp32 = plan.precision == Precision::kF32;
  const Graph executed = plan.fuses ? fuse(graph) : graph;
  const WeightSizes sizes = sizes_of(executed, plan, plan.precision);
  const WeightSizes before = plan.fuses ? sizes_of(graph, plan, Precision::kF32) : sizes;
  const double written = before.stored;
  PlanOptions options = plan.options;
  if (plan.keeps != nullptr) options.keep = plan.keeps(executed);
  MemoryNeed need;
  if (plan.neurobench) {
    options.keep = NeuroBenchCounter::watched(executed);
    need.watched += static_cast<double>(NeuroBenchCounter::bytes(executed));
  }
  const auto arrays = watched_arrays(executed, plan.features, plan.membranes, {});
  keep_arrays(executed, arrays, options);
  double row_bytes = 0;  // of the arrays
  for (const WatchedArray& array : arrays) row_bytes += bytes_of(array.row);
  const auto steps = static_cast<double>(plan.sample_steps);
  need.watched += row_bytes * steps;
  const auto session = static_cast<double>(
      layout_of(executed, plan.device != kReferenceDevice, std::move(options)).session_bytes());
  const double frames = static_cast<double>(plan.sample_bytes);
  need.loading = kOverhead + written + static_cast<double>(plan.file_bytes);
  if (plan.fuses)
    need.loading = std::max(need.loading, kOverhead + std::max(written, sizes.stored) +
                                              3 * std::max(before.largest, sizes.largest));
  const double rounding = plan.rounds_weights ? 2 * sizes.stored : sizes.stored;
  need.loading =
      std::max(need.loading, kOverhead + std::max(rounding, sizes.packed) + 2 * sizes.largest);
  if (plan.calibrates && !fp32) {
    const double packed = sizes_of(executed, plan, Precision::kF32).packed;
    need.loading = std::max(need.loading, kOverhead + sizes.stored + packed + session + frames);
  }
  need.weights = kOverhead + sizes.packed;
  double batch = static_cast<double>(plan.batch);
  need.sessions = batch * session;
  if (plan.aside) {  // each with all its spikes
    double step_bytes = row_bytes;
    for (const Population& population : populations_of(executed))
      step_bytes +=
          8 * static_cast<double>(population.rows() * words_for(channels_of(population.shape)));
    const double each = session + step_bytes * steps;
    batch = std::clamp(std::floor(static_cast<double>(kMostBytesAside) / each), 1.0, batch);
    need.sessions = batch > 1 ? batch * each : session;
  }
  need.samples = (batch + 1) * frames;
  if (plan.records) need.trace = recorder_bytes(executed, plan.recorded_rows);
  return need;
}

void check_memory(const Graph& graph, const MemoryPlan& plan) {
  const MemoryNeed need = memory_need(graph, plan);
  const MemoryLimit limit = memory_limit();
  if (need.most() <= limit.left) return;
  throw Error(
      ErrorCode::kCapacity,
      fmt::format("this takes {:.2f} GB of memory (weights {:.2f} GB, buffers of {} "
                  "sample{} {:.2f} GB, frames {:.2f} GB{}), and {} leaves {:.2f} of {:.2f} GB{}",
                  need.most() / 1e9, std::max(need.weights, need.loading) / 1e9, plan.batch,
                  plan.batch == 1 ? "" : "s", need.sessions / 1e9, need.samples / 1e9,
                  need.watched > 0.01 * need.most()
                      ? fmt::format(", features and counters {:.2f} GB", need.watched / 1e9)
                      : "",
                  limit.what, limit.left / 1e9, limit.limit / 1e9,
                  advice(graph, plan, need.most())));
}

void check_memory(const Graph& graph, const std::vector<MemoryPlan>& kept,
                  const std::string& advice) {
  double weights = 0, sessions = 0, made = 0;
  for (const MemoryPlan& plan : kept) {
    const Graph executed = plan.fuses ? fuse(graph) : graph;
    const WeightSizes sizes = sizes_of(executed, plan, plan.precision);
    const bool fp32 = plan.precision == Precision::kF32;
    // A precision that changes nothing takes no part.
    if (!fp32 && sizes.packed == sizes_of(executed, plan, Precision::kF32).packed) continue;
    weights += sizes.packed;
    sessions += memory_need(graph, plan).sessions;
    made = std::max(
        made, (plan.fuses ? sizes.stored : 0) + (fp32 ? 0 : sizes.packed) + 2 * sizes.largest);
  }
  made += sizes_of(graph, {}, Precision::kF32).stored;
  const double needed = kOverhead + made + weights + sessions;
  const MemoryLimit limit = memory_limit();
  if (needed <= limit.left) return;
  throw Error(ErrorCode::kCapacity,
              fmt::format("this takes {:.2f} GB of memory (weights as they are made {:.2f} GB, as "
                          "kernels keep them {:.2f} GB, buffers {:.2f} GB), and {} leaves {:.2f} "
                          "of {:.2f} GB; {}",
                          needed / 1e9, made / 1e9, weights / 1e9, sessions / 1e9, limit.what,
                          limit.left / 1e9, limit.limit / 1e9, advice));
}

}  // namespace spikeloom
