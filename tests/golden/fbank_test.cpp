// The audio front end against the authors' filter bank (torchaudio) and a double-precision run of
// it.

#include <algorithm>
#include <cmath>

#include "core/io/npy.hpp"
#include "datasets/audio/log_mel.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

Tensor golden(const std::string& name) {
  return load_npy(SPIKELOOM_SOURCE_DIR "/tests/golden/lmuformer/fbank/" + name);
}

std::vector<float> clip() {
  std::vector<float> samples;
  const Tensor pcm = golden("pcm_int16.npy");
  for (const int16_t value : pcm.as<int16_t>())
    samples.push_back(static_cast<float>(value) / 32768.0f);
  return samples;
}

}  // namespace

TEST_CASE("log-mel frames equal the golden ones to 1e-6, torchaudio's to the stated tolerances") {
  const std::vector<float> samples = clip();
  const Tensor wide = golden("logmel_float64.npy"), single = golden("logmel_torchaudio_f32.npy");
  const int64_t frames = frame_count(static_cast<int64_t>(samples.size()));
  REQUIRE(wide.shape() == Shape{frames, kMelBins});
  REQUIRE(single.shape() == Shape{frames, kMelBins});
  const LogMel front_end;
  std::vector<double> values(kMelBins);
  double from_wide = 0, from_single = 0;
  for (int64_t i = 0; i < frames; ++i) {
    front_end.frame(std::span(samples).subspan(static_cast<size_t>(i * kFrameShift), kFrameSamples),
                    values);
    for (size_t b = 0; b < values.size(); ++b) {
      const size_t at = static_cast<size_t>(i * kMelBins) + b;
      from_wide = std::max(from_wide, std::abs(values[b] - wide.as<double>()[at]));
      from_single =
          std::max(from_single, std::abs(values[b] - static_cast<double>(single.f32()[at])));
    }
    CHECK(values[3] == std::log(0x1p-23));  // no bin lies in filter 3
  }
  INFO("off by " << from_wide << " and " << from_single);
  CHECK(from_wide <= 1e-6);
  CHECK(from_single <= 1.5e-3);
}

TEST_CASE("the network's input is the golden one, padding included") {
  const Tensor input = log_mel_input(clip(), 128), wanted = golden("model_input_float32.npy");
  REQUIRE(wanted.shape() == Shape{128, kMelBins});
  float off = 0;
  for (size_t i = 0; i < input.f32().size(); ++i)
    off = std::max(off, std::abs(input.f32()[i] - wanted.f32()[i]));
  CHECK(off <= 1e-6f);
  CHECK(log_mel_input({}, 2).f32()[0] == Approx(0.6150423).epsilon(1e-6));
}

TEST_CASE("as many frames as whole windows fit") {
  CHECK(frame_count(399) == 0);
  CHECK(frame_count(400) == 1);
  CHECK(frame_count(14400) == 88);
  CHECK(frame_count(16000) == 98);
}
