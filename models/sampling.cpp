#include "models/sampling.hpp"

#include <algorithm>
#include <cmath>

#include "core/ordered_math.hpp"
#include "core/rng.hpp"

namespace spikeloom {

std::vector<float> sampling_weights(std::span<const float> logits, double temperature,
                                    double top_p) {
  std::vector<float> p(logits.size());
  const float largest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (size_t i = 0; i < p.size(); ++i) total += p[i] = ordered_exp(logits[i] - largest);
  for (float& value : p) value = static_cast<float>(value / total);
  std::vector<float> sorted = p;
  std::sort(sorted.begin(), sorted.end(), std::greater<float>());
  float cutoff = sorted[0];
  double sum = 0;
  for (const float value : sorted) {
    if (top_p >= 1) break;  // rounding must not lift the sum over it
    sum += static_cast<double>(value);
    if (static_cast<double>(static_cast<float>(sum)) <= top_p) continue;
    cutoff = value;
    break;
  }
  for (float& value : p) {
    if (value < cutoff) value = 0;
    if (temperature != 1.0 && value > 0) {
      value = static_cast<float>(std::pow(static_cast<double>(value), 1.0 / temperature));
    }
  }
  return p;
}

int32_t sample_token(std::span<const float> logits, const Sampling& sampling, int64_t position) {
  const auto odds = sampling_weights(logits, sampling.temperature, sampling.top_p);
  double total = 0;
  for (const float value : odds) total += static_cast<double>(value);
  constexpr uint64_t kStream = 0x746f6b656e;  // "token"
  const double drawn =
      static_cast<double>(random_bits(sampling.seed, kStream, static_cast<uint64_t>(position)) >>
                          11) *
      0x1p-53 * total;
  double sum = 0;
  int32_t last = 0;
  for (size_t i = 0; i < odds.size(); ++i) {
    if (odds[i] <= 0) continue;
    last = static_cast<int32_t>(i);
    sum += static_cast<double>(odds[i]);
    if (drawn < sum) return last;
  }
  return last;
}

}  // namespace spikeloom
