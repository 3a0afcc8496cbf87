#include "sim/graph/lmu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "core/error.hpp"
#include "sim/graph/matrix_exp.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMaxOrder = 4096, kMaxTaps = int64_t{1} << 16;
constexpr double kMaxTheta = 1 << 20;
constexpr double kDropped = 0x1p-30;  // below this the response is cut
constexpr double kFaded = 0x1p-60;    // below this it does not come back: the system is stable

// [[A', B'], [0, 0]] / theta
RowMatrix generator(int64_t order, double theta) {
  RowMatrix g = RowMatrix::Zero(order + 1, order + 1);
  for (int64_t i = 0; i < order; ++i) {
    const double gain = static_cast<double>(2 * i + 1) / theta;
    for (int64_t j = 0; j < order; ++j) g(i, j) = i < j || (i - j) % 2 == 0 ? -gain : gain;
    g(i, order) = i % 2 == 0 ? gain : -gain;
  }
  return g;
}

// a_t: A transposed, so that the sums of A h run over rows, in ascending order.
void respond(LmuSystem& system, const RowMatrix& a_t, RowMatrix column) {
  for (int64_t k = 0; k < kMaxTaps; ++k) {
    const double largest = column.cwiseAbs().maxCoeff();
    if (largest < kFaded) {
      system.h.resize(static_cast<size_t>(system.taps * system.order));
      return;
    }
    if (largest >= kDropped) system.taps = k + 1;
    system.h.insert(system.h.end(), column.data(), column.data() + column.size());
    column = ordered_product(column, a_t);
  }
  throw Error(ErrorCode::kCapacity,
              fmt::format("the memory of order {} and theta {} does not fade within {} steps",
                          system.order, system.theta, kMaxTaps));
}

std::shared_ptr<const LmuSystem> compute(int64_t order, double theta) {
  auto system = std::make_shared<LmuSystem>();
  system->order = order;
  system->theta = theta;
  const RowMatrix held = matrix_exp(generator(order, theta));
  const RowMatrix a = held.topLeftCorner(order, order);
  const RowMatrix b = held.topRightCorner(order, 1).transpose();
  system->a.assign(a.data(), a.data() + a.size());
  system->b.assign(b.data(), b.data() + b.size());
  respond(*system, a.transpose(), b);
  return system;
}

const LmuMemory* memory_of(const Graph& graph, const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return nullptr;
  for (const Node& node : graph.nodes()) {
    const LmuMemory* memory = memory_in(node);
    if (memory != nullptr && name.compare(0, dot, memory->prefix) == 0) return memory;
  }
  return nullptr;
}

// What is wrong with a stored table, element (i, j) of which should be value(i, j); or "".
template <typename F>
std::string table_fault(const std::string& name, const Tensor& stored, int64_t columns, F value) {
  const int64_t rows = stored.shape().empty() ? 0 : stored.shape()[0];
  if (!is_float(stored.dtype()) || stored.size() != rows * columns)
    return name + " has shape " + to_string(stored.shape());
  const Tensor values = to_f32(stored);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const float found = values.f32()[static_cast<size_t>(i * columns + j)];
      const double wanted = value(i, j);
      if (!(std::abs(static_cast<double>(found) - wanted) <= 1e-6))
        return fmt::format("{}[{},{}] is {}, the memory's equations give {}", name, i, j, found,
                           wanted);
    }
  }
  return "";
}

}  // namespace

const LmuMemory* memory_in(const Node& node) {
  return std::get_if<LmuMemory>(&node.op);
}

std::shared_ptr<const LmuSystem> lmu_system(int64_t order, double theta) {
  if (order < 1 || order > kMaxOrder || !(theta > 0 && theta <= kMaxTheta)) {
    throw Error(ErrorCode::kUsage,
                fmt::format("a memory of order {} and theta {} is beyond orders 1..{} and theta up "
                            "to {}",
                            order, theta, kMaxOrder, kMaxTheta));
  }
  static std::mutex mutex;
  static std::map<std::pair<int64_t, double>, std::shared_ptr<const LmuSystem>> known;
  const std::lock_guard lock(mutex);
  auto& entry = known[{order, theta}];
  if (!entry) entry = compute(order, theta);
  return entry;
}

bool is_lmu_table(const Graph& graph, const std::string& name) {
  const LmuMemory* memory = memory_of(graph, name);
  if (memory == nullptr) return false;
  const std::string table = name.substr(memory->prefix.size());
  return table == ".A" || table == ".B" || table == ".H" || table == ".fft_H";
}

void check_lmu_tables(const Graph& graph, const Weights& weights,
                      std::vector<std::string>& faults) {
  for (const Node& node : graph.nodes()) {
    const LmuMemory* memory = memory_in(node);
    if (memory == nullptr) continue;
    const auto check = [&](const std::string& name, int64_t columns, auto value) {
      if (!weights.contains(name)) return;
      const Tensor& stored = weights.at(name).data;
      const bool fits = !stored.shape().empty() && stored.shape()[0] == memory->order;
      const std::string fault = fits ? table_fault(name, stored, columns, value)
                                     : name + " has shape " + to_string(stored.shape());
      if (!fault.empty()) faults.push_back(fault);
    };
    const auto system = lmu_system(memory->order, memory->theta);
    const auto at = [](const std::vector<double>& values, int64_t i) {
      return values[static_cast<size_t>(i)];
    };
    check(memory->prefix + ".A", memory->order,
          [&](int64_t i, int64_t j) { return at(system->a, i * memory->order + j); });
    check(memory->prefix + ".B", 1, [&](int64_t i, int64_t) { return at(system->b, i); });
    const std::string h = memory->prefix + ".H";
    if (!weights.contains(h) || weights.at(h).data.shape().size() != 2) continue;
    check(h, weights.at(h).data.shape()[1], [&](int64_t i, int64_t k) {
      return k < system->taps ? at(system->h, k * memory->order + i) : 0.0;
    });
  }
}

}  // namespace spikeloom
