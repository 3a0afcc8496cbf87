// WAV files, good and broken, and folders of them.

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/npy.hpp"
#include "datasets/audio/clips.hpp"
#include "datasets/audio/wav.hpp"
#include "datasets/open.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;
namespace fs = std::filesystem;

namespace {

void append(std::string& to, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<char>(value >> (8 * i)));
}

// A PCM16 file whose header promises `promised` bytes of samples.
std::string wav(const std::vector<int16_t>& samples, uint32_t rate, uint32_t promised,
                uint32_t channels = 1) {
  std::string text = "RIFF";
  append(text, 36 + promised, 4);
  text += "WAVEfmt ";
  append(text, 16, 4);
  append(text, 1, 2);
  append(text, channels, 2);
  append(text, rate, 4);
  append(text, rate * channels * 2, 4);
  append(text, channels * 2, 2);
  append(text, 16, 2);
  text += "data";
  append(text, promised, 4);
  for (const int16_t sample : samples) append(text, static_cast<uint16_t>(sample), 2);
  return text;
}

std::vector<int16_t> tone(int64_t samples, double rate) {
  std::vector<int16_t> result;
  for (int64_t i = 0; i < samples; ++i) {
    const double phase = 2 * std::numbers::pi * 440 * static_cast<double>(i) / rate;
    result.push_back(static_cast<int16_t>(std::lround(8000 * std::sin(phase))));
  }
  return result;
}

std::string good_wav(int64_t samples = 16000, uint32_t rate = 16000) {
  return wav(tone(samples, rate), rate, static_cast<uint32_t>(2 * samples));
}

std::vector<float> decode(const std::string& text) {
  return decode_clip(std::as_bytes(std::span(text.data(), text.size()))).samples;
}

struct Folder {
  fs::path path = fs::temp_directory_path() / ("spikeloom_audio_" + std::to_string(getpid()));
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << text;
  }
};

std::vector<int64_t> labels_of(const Dataset& dataset) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < dataset.info().size; ++i) labels.push_back(dataset.load(i).label);
  return labels;
}

}  // namespace

TEST_CASE("PCM16 samples are divided by 32768; of several channels the first counts") {
  const auto samples = tone(500, 16000);
  const auto mono = decode(wav(samples, 16000, 1000));
  REQUIRE(mono.size() == 500);
  for (size_t i = 0; i < 500; ++i) CHECK(mono[i] == static_cast<float>(samples[i]) / 32768.0f);
  std::vector<int16_t> both;
  for (const int16_t sample : samples) both.insert(both.end(), {sample, 77});
  CHECK(decode(wav(both, 16000, 2000, 2)) == mono);
}

TEST_CASE("other rates are resampled to 16 kHz") {
  for (const uint32_t rate : {8000u, 44100u, 48000u}) {
    const auto samples = decode(good_wav(rate, rate));  // one second
    CHECK(std::abs(static_cast<int64_t>(samples.size()) - 16000) <= 2);
    double error = 0, power = 0;
    for (size_t i = 2000; i < 14000; ++i) {
      const double wanted =
          8000.0 / 32768 * std::sin(2 * std::numbers::pi * 440 * static_cast<double>(i) / 16000);
      error += std::pow(static_cast<double>(samples[i]) - wanted, 2);
      power += wanted * wanted;
    }
    CHECK(error / power < 1e-5);
  }
}

TEST_CASE("broken clips give one clear line each") {
  const auto reason = [](const std::string& text) -> std::string {
    try {
      decode(text);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kData);
      return error.what();
    }
    return "no error";
  };
  CHECK(reason("") == "is empty");
  CHECK(reason("RIFF") == "is no RIFF/WAVE file");
  CHECK(reason(std::string(4096, 'x')) == "is no RIFF/WAVE file");
  CHECK(reason(wav({}, 16000, 0)) == "has no samples");
  CHECK(reason(good_wav(399)) == "has 399 samples at 16 kHz, a frame takes 400");
  CHECK(reason(wav(tone(500, 16000), 16000, 32000)) ==
        "is truncated: its samples take 32000 bytes, 1000 are there");
  CHECK(reason(good_wav(16000).substr(0, 40)) == "has no data chunk");
  CHECK(reason(good_wav(4000, 10)).find("has a rate of 10 Hz") == 0);
  CHECK(reason(good_wav(62 * 1000, 1000)) == "lasts 62 s, clips last at most 60 s");
  std::string floats = wav({}, 16000, 2000);
  floats[20] = 3;  // IEEE float
  floats[34] = 32;
  floats[32] = 4;
  floats += std::string(2000, '\xff');
  CHECK(reason(floats) == "sample 0 is not finite");
}

TEST_CASE("a header without a length means: to the end of the file") {
  CHECK(decode(wav(tone(500, 16000), 16000, 0xFFFFFFFFu)).size() == 500);
}

TEST_CASE("a WAV folder takes labels and splits from the names of its files") {
  const Folder folder;
  for (const char* digit : {"0", "2", "10"}) {
    for (const char* speaker : {"ann", "bob"}) {
      for (const char* index : {"0", "7"})
        folder.write(std::string(digit) + "_" + speaker + "_" + index + ".wav", good_wav());
    }
  }
  folder.write("notes.txt", "not a clip");
  DatasetSpec spec;
  spec.kind = "wav_folder";
  spec.path = folder.path;
  spec.steps = 128;
  spec.pattern = "{digit}_{speaker}_{index}.wav";
  spec.label_field = "digit";
  const auto all = open_dataset(spec);
  CHECK(all->info().size == 12);
  CHECK(all->info().classes == 3);
  CHECK(all->info().frames == 128);
  CHECK(labels_of(*all) == std::vector<int64_t>{0, 0, 0, 0, 2, 2, 2, 2, 1, 1, 1, 1});
  CHECK(all->info().warnings ==
        std::vector<std::string>{
            "left out, files whose names do not follow the pattern: 1, the first notes.txt"});
  CHECK(all->load(0).frames.shape() == Shape{128, kMelBins});
  spec.where = {"index < 5", "speaker != ann"};
  CHECK(labels_of(*open_dataset(spec)) == std::vector<int64_t>{0, 2, 1});
  spec.where = {"index >= 5", "speaker = ann", "digit = 10"};
  CHECK(labels_of(*open_dataset(spec)) == std::vector<int64_t>{2});
  for (const std::string wrong :
       {"mood = good", "index ~ 5", "index < five", "index <", "speaker"}) {
    spec.where = {wrong};
    CHECK_THROWS_AS(open_dataset(spec), Error);
  }
  spec.where = {"speaker < 5"};  // not a number in the names
  CHECK_THROWS_WITH(open_dataset(spec), Catch::Contains("0_ann_0.wav"));
  spec.where = {};
  for (const std::string wrong :
       {"", "{digit", "{digit}{speaker}.wav", "{}.wav", "{a}_{a}.wav", "clip.wav"}) {
    spec.pattern = wrong;
    CHECK_THROWS_AS(open_dataset(spec), Error);
  }
  spec.pattern = "{digit}_{speaker}_{index}.flac";
  CHECK_THROWS_WITH(open_dataset(spec), Catch::Contains("no file is named like"));
}

TEST_CASE("Speech Commands splits by its lists, or by the hash behind them") {
  CHECK(sha1_hex("bobby") == "4501c3b0336cf2d19ed69a8d0ec436ee3f88b31b");
  CHECK(sha1_hex("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(speech_commands_split("bobby_nohash_0.wav") == "train");
  const Folder folder;
  for (const char* name : {"backward/a_nohash_0.wav", "one/a_nohash_0.wav", "one/b_nohash_1.wav",
                           "_background_noise_/rain.wav", "three/x.flac", "eleven/y.wav"})
    folder.write(name, good_wav());
  DatasetSpec spec;
  spec.kind = "speech_commands";
  spec.path = folder.path;
  spec.steps = 128;
  int64_t by_hash = 0;
  for (const std::string split : {"train", "validation", "test"}) {
    spec.split = split;
    try {
      by_hash += open_dataset(spec)->info().size;
    } catch (const Error&) {  // no samples
    }
  }
  CHECK(by_hash == 3);
  folder.write("validation_list.txt", "one/b_nohash_1.wav\n");
  CHECK_THROWS_WITH(open_dataset(spec), Catch::Contains("testing_list.txt"));
  folder.write("testing_list.txt", "\xef\xbb\xbfone/a_nohash_0.wav\r\n");
  const auto labels = [&](const char* split) {
    spec.split = split;
    return labels_of(*open_dataset(spec));
  };
  CHECK(labels("train") == std::vector<int64_t>{0});
  CHECK(labels("validation") == std::vector<int64_t>{34});
  CHECK(labels("test") == std::vector<int64_t>{34});
  CHECK(open_dataset(spec)->info().warnings ==
        std::vector<std::string>{"left out, folders of none of the 35 words: 1, the first eleven",
                                 "left out, files that are no .wav: 1, the first three/x.flac"});
  spec.split = "dev";
  CHECK_THROWS_AS(open_dataset(spec), Error);
}

TEST_CASE("images come pixel by pixel, in the order of a permutation") {
  const Folder folder;
  std::string images("\0\0\x08\x03\0\0\0\x01\0\0\0\x02\0\0\0\x03", 16);
  images += std::string("\x00\x33\x66\x99\xcc\xff", 6);
  folder.write("images", images);
  DatasetSpec spec;
  spec.kind = "smnist";
  spec.path = folder.path / "images";
  const auto pixels = [&] {
    const Sample sample = open_dataset(spec)->load(0);
    CHECK(sample.frames.shape() == Shape{6, 1});
    return std::vector<float>(sample.frames.f32().begin(), sample.frames.f32().end());
  };
  CHECK(pixels() == std::vector<float>{0.0f, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f});
  Tensor order({6}, DType::kI64);
  const std::vector<int64_t> turned = {5, 4, 3, 2, 1, 0};
  std::copy(turned.begin(), turned.end(), order.as<int64_t>().begin());
  spec.permutation = folder.path / "order.npy";
  save_npy(spec.permutation, order);
  CHECK(pixels() == std::vector<float>{1.0f, 0.8f, 0.6f, 0.4f, 0.2f, 0.0f});
  order.as<int64_t>()[0] = 4;
  save_npy(spec.permutation, order);
  CHECK_THROWS_WITH(open_dataset(spec), Catch::Contains("pixel 4 occurs twice"));
}

TEST_CASE("arrays of three axes are sequences of vectors") {
  const Folder folder;
  Tensor batch({2, 3, 4});
  for (size_t i = 0; i < 24; ++i) batch.f32()[i] = static_cast<float>(i);
  DatasetSpec spec;
  spec.kind = "npy";
  spec.path = folder.path / "x.npy";
  save_npy(spec.path, batch);
  const auto dataset = open_dataset(spec);
  CHECK(dataset->info().frames == 3);
  CHECK(dataset->info().channels == 4);
  CHECK(dataset->info().height == 0);
  const Sample sample = dataset->load(1);
  CHECK(sample.frames.shape() == Shape{3, 4});
  CHECK(sample.frames.f32()[5] == 17.0f);
}
