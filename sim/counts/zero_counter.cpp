#include "sim/counts/zero_counter.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "sim/counts/finite_watch.hpp"

namespace spikeloom {
namespace {

// Zeros of a value; `finite` becomes false where some of it is no number.
int64_t zeros_in(const ValueRef& input, char& finite) {
  if (input.bits != nullptr)
    return input.rows * input.channels - as_const(input.bits_at(0)).count();
  int64_t zeros = 0;
  for (int64_t row = 0; row < input.rows; ++row) {
    const float* values = input.real_row(0, row);
    zeros += std::count(values, values + input.channels, 0.0f);
    if (!all_finite({values, static_cast<size_t>(input.channels)})) finite = 0;
  }
  return zeros;
}

}  // namespace

std::vector<std::string> ZeroCounter::watched(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) {
    if (!is_layer(node.op)) continue;
    const std::string& name = graph.node(source_of(graph, node.inputs[0])).name;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

ZeroCounter::ZeroCounter(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    if (!is_layer(node.op)) continue;
    inputs_.push_back(node.inputs[0]);
    is_static_.push_back(node.is_static);
    counts_.push_back({node.name, 0, 0});
  }
}

void ZeroCounter::chunk(const Session& session, int threads) {
  const int64_t steps = session.last_chunk().steps;
  finite_.assign(counts_.size(), 1);
  parallel_for(static_cast<int64_t>(counts_.size()), 1, threads, [&](int64_t begin, int64_t end) {
    for (auto l = static_cast<size_t>(begin); l < static_cast<size_t>(end); ++l) {
      for (int64_t t = 0; t < (is_static_[l] ? 1 : steps); ++t) {
        const ValueRef input = session.view(inputs_[l], t);
        counts_[l].zeros += zeros_in(input, finite_[l]);
        counts_[l].values += input.rows * input.channels;
      }
    }
  });
}

std::string ZeroCounter::not_finite() const {
  const auto at = std::find(finite_.begin(), finite_.end(), 0);
  return at == finite_.end() ? "" : counts_[static_cast<size_t>(at - finite_.begin())].layer;
}

void ZeroCounter::restore(const std::vector<ZeroCount>& counts) {
  if (counts.size() != counts_.size())
    throw Error(ErrorCode::kData, "counts of zeros are of another network");
  counts_ = counts;
}

}  // namespace spikeloom
