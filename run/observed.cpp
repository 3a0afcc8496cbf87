#include "run/observed.hpp"

#include <algorithm>
#include <cmath>

#include "sim/counts/finite_watch.hpp"

namespace spikeloom {
namespace {

// -log softmax(logits)[target], in double.
double surprise(std::span<const float> logits, int32_t target) {
  double largest = static_cast<double>(logits[0]), sum = 0;
  for (const float value : logits) largest = std::max(largest, static_cast<double>(value));
  for (const float value : logits) sum += std::exp(static_cast<double>(value) - largest);
  return std::log(sum) + largest - static_cast<double>(logits[static_cast<size_t>(target)]);
}

void observe_tokens(const Session& session, const Sample& sample, NodeId logits,
                    Observed& observed) {
  const SpikeChunk chunk = session.last_chunk();
  const auto vocabulary = static_cast<size_t>(channels_of(session.plan().graph.node(logits).shape));
  const bool sound = session.not_finite_state().empty();
  for (int64_t t = 0; t < chunk.steps; ++t) {
    const int32_t target = sample.targets[static_cast<size_t>(chunk.first_step + t)];
    if (target < 0) continue;
    const std::span row(session.view(logits, t).real_row(0, 0), vocabulary);
    observed.surprises.push_back(sound && all_finite(row) ? std::optional(surprise(row, target))
                                                          : std::nullopt);
  }
}

}  // namespace

void observe(const Session& session, const Sample& sample, NodeId logits,
             const std::vector<WatchedArray>& arrays, bool with_bits, Observed& observed) {
  const SpikeChunk chunk = session.last_chunk();
  observed.rows.resize(arrays.size());
  for (size_t a = 0; a < arrays.size(); ++a) {
    std::vector<float>& rows = observed.rows[a];
    rows.reserve(rows.size() + static_cast<size_t>(chunk.steps * element_count(arrays[a].row)));
    for (int64_t t = 0; t < chunk.steps; ++t) append_step(session, arrays[a], t, rows);
  }
  for (size_t p = 0; with_bits && p < observed.bits.size(); ++p) {
    observed.bits[p].insert(observed.bits[p].end(), chunk.bits[p],
                            chunk.bits[p] + chunk.steps * chunk.words[p]);
  }
  if (sample.targets.empty()) {
    const Tensor last = session.value(logits, chunk.steps - 1);
    observed.logits.assign(last.f32().begin(), last.f32().end());
  } else {
    observe_tokens(session, sample, logits, observed);
  }
  observed.steps += chunk.steps;
}

Observed room_for(int64_t steps, const std::vector<int64_t>& words,
                  const std::vector<WatchedArray>& arrays) {
  Observed room;
  for (const int64_t count : words)
    room.bits.emplace_back().reserve(static_cast<size_t>(steps * count));
  for (const WatchedArray& array : arrays)
    room.rows.emplace_back().reserve(static_cast<size_t>(steps * element_count(array.row)));
  room.surprises.reserve(static_cast<size_t>(steps));
  return room;
}

SpikeChunk chunk_of(const Observed& observed, const std::vector<Population>& populations,
                    std::vector<const uint64_t*>& bits, std::vector<int64_t>& words) {
  for (const auto& population : observed.bits) {
    bits.push_back(population.data());
    words.push_back(static_cast<int64_t>(population.size()) / observed.steps);
  }
  return {populations, 0, observed.steps, bits, words};
}

void Score::add(const std::vector<std::optional<double>>& surprises) {
  for (const auto& surprise : surprises) {
    ++predictions;
    if (surprise) {
      nats += *surprise;
    } else {
      not_finite.add(predictions - 1, "logits");
    }
  }
}

int64_t Score::add(int64_t index, int64_t label, const std::vector<float>& logits,
                   std::string node) {
  if (!all_finite(logits)) node = "logits";
  if (!node.empty()) not_finite.add(index, node);
  const int64_t answer =
      node.empty() ? std::max_element(logits.begin(), logits.end()) - logits.begin() : -1;
  if (label < 0) return answer;
  accuracy.known = true;
  ++accuracy.total;
  accuracy.correct += label == answer;  // no answer is a wrong one
  return answer;
}

}  // namespace spikeloom
