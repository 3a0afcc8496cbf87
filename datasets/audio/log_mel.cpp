#include "datasets/audio/log_mel.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numbers>
#include <unsupported/Eigen/FFT>

namespace spikeloom {
namespace {

constexpr int64_t kFft = 512, kBins = kFft / 2;  // the Nyquist bin is in no filter
constexpr double kPreEmphasis = 0.97, kLowHz = 20, kHighHz = 8000;
constexpr double kFloor = 0x1p-23;
constexpr double kMean = -6.845978, kStd = 5.5654526;  // of the authors' training set

double mel(double hertz) {
  return 1127.0 * std::log(1.0 + hertz / 700.0);
}

// The bins a triangle covers.
struct Filter {
  int64_t first = 0;
  std::vector<double> weights;
};

Filter make_filter(int64_t b) {
  const double low = mel(kLowHz), delta = (mel(kHighHz) - low) / (kMelBins + 1);
  const double left = low + static_cast<double>(b) * delta, right = left + 2 * delta;
  Filter filter;
  for (int64_t k = 0; k < kBins; ++k) {
    const double at = mel(static_cast<double>(k * kSampleRate) / kFft);
    const double weight = std::min((at - left) / delta, (right - at) / delta);
    if (weight <= 0) continue;
    if (filter.weights.empty()) filter.first = k;
    filter.weights.push_back(weight);
  }
  return filter;
}

}  // namespace

struct LogMel::Tables {
  std::array<double, kFrameSamples> window{};
  std::vector<Filter> filters;
  Eigen::FFT<double> fft;
  std::vector<double> padded = std::vector<double>(kFft);
  std::vector<std::complex<double>> spectrum;
};

LogMel::LogMel() : tables_(std::make_unique<Tables>()) {
  for (size_t j = 0; j < tables_->window.size(); ++j) {
    tables_->window[j] = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(j) /
                                              static_cast<double>(kFrameSamples - 1));
  }
  for (int64_t b = 0; b < kMelBins; ++b) tables_->filters.push_back(make_filter(b));
  tables_->fft.SetFlag(Eigen::FFT<double>::HalfSpectrum);
}

LogMel::~LogMel() = default;

void LogMel::frame(std::span<const float> samples, std::span<double> log_mel) const {
  Tables& t = *tables_;
  double mean = 0;
  for (const float sample : samples) mean += static_cast<double>(sample);
  mean /= static_cast<double>(kFrameSamples);
  double before = static_cast<double>(samples[0]) - mean;
  for (size_t j = 0; j < t.window.size(); ++j) {
    const double x = static_cast<double>(samples[j]) - mean;
    t.padded[j] = (x - kPreEmphasis * before) * t.window[j];
    before = x;
  }
  t.fft.fwd(t.spectrum, t.padded);
  for (size_t b = 0; b < t.filters.size(); ++b) {
    double energy = 0;
    for (size_t k = 0; k < t.filters[b].weights.size(); ++k) {
      energy += t.filters[b].weights[k] *
                std::norm(t.spectrum[static_cast<size_t>(t.filters[b].first) + k]);
    }
    log_mel[b] = std::log(std::max(energy, kFloor));
  }
}

int64_t frame_count(int64_t samples) noexcept {
  return samples < kFrameSamples ? 0 : 1 + (samples - kFrameSamples) / kFrameShift;
}

float normalised_log_mel(double value) noexcept {
  return static_cast<float>((value - kMean) / (2 * kStd));
}

Tensor log_mel_input(std::span<const float> samples, int64_t frames) {
  const LogMel front_end;
  Tensor result({frames, kMelBins});
  std::fill(result.f32().begin(), result.f32().end(), normalised_log_mel(0.0));
  const int64_t count = std::min(frames, frame_count(static_cast<int64_t>(samples.size())));
  std::array<double, kMelBins> values{};
  for (int64_t i = 0; i < count; ++i) {
    front_end.frame(samples.subspan(static_cast<size_t>(i * kFrameShift), kFrameSamples), values);
    std::transform(values.begin(), values.end(), result.f32().begin() + i * kMelBins,
                   normalised_log_mel);
  }
  return result;
}

}  // namespace spikeloom
