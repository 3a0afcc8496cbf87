// Every form of WAV that libsndfile writes gives the samples that libsndfile reads; lengths that
// are wrong or were never written; files and streams alike.

#include <fcntl.h>
#include <sndfile.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>

#include "core/error.hpp"
#include "datasets/audio/wav.hpp"
#include "tests/catch.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
namespace fs = std::filesystem;

namespace {

constexpr int kFrames = 800;

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A tone, written by libsndfile.
std::string written(const fs::path& path, int format, int channels = 1) {
  SF_INFO info{};
  info.samplerate = 16000;
  info.channels = channels;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  if (file == nullptr) return {};
  std::vector<double> samples;
  for (int i = 0; i < kFrames * channels; ++i) samples.push_back(0.9 * std::sin(0.05 * i));
  sf_write_double(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
  return text_of(path);
}

// The first channel as libsndfile reads the file.
std::vector<float> expected(const fs::path& path) {
  SF_INFO info{};
  SNDFILE* file = sf_open(path.c_str(), SFM_READ, &info);
  REQUIRE(file != nullptr);
  std::vector<float> all(static_cast<size_t>(info.frames * info.channels)), first;
  sf_readf_float(file, all.data(), info.frames);
  sf_close(file);
  for (size_t i = 0; i < all.size(); i += static_cast<size_t>(info.channels))
    first.push_back(all[i]);
  return first;
}

Sound decode(const std::string& text) {
  return decode_clip(std::as_bytes(std::span(text.data(), text.size())));
}

// Samples, notes and fault of a reader, to compare.
struct Outcome {
  std::vector<float> samples;
  std::vector<std::string> notes;
  std::string fault;
  bool operator==(const Outcome&) const = default;
};

template <typename Make>
Outcome outcome_of(Make&& make) {
  Outcome outcome;
  try {
    WavReader reader = make();
    while (reader.read(160, outcome.samples)) {
    }
    outcome.notes = reader.notes();
  } catch (const Error& error) {
    outcome.fault = error.what();
    outcome.samples.clear();
  }
  return outcome;
}

Outcome from_bytes(const std::string& text) {
  return outcome_of([&] { return WavReader(std::as_bytes(std::span(text.data(), text.size()))); });
}

// Through a pipe in place of standard input, a few bytes at a time.
Outcome from_pipe(const std::string& text) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const int before = dup(STDIN_FILENO);
  dup2(ends[0], STDIN_FILENO);
  close(ends[0]);
  std::jthread writer([&] {
    for (size_t at = 0; at < text.size(); at += 777) {
      const std::string part = text.substr(at, 777);
      if (write(ends[1], part.data(), part.size()) < 0) break;
    }
    close(ends[1]);
  });
  const Outcome outcome = outcome_of([] { return WavReader::standard_input(); });
  char rest[4096];
  while (read(STDIN_FILENO, rest, sizeof rest) > 0) {
  }
  dup2(before, STDIN_FILENO);
  close(before);
  return outcome;
}

Outcome same_from_all(const std::string& text) {
  const fs::path path =
      fs::temp_directory_path() / ("spikeloom_wav_" + std::to_string(getpid()) + ".wav");
  std::ofstream(path, std::ios::binary) << text;
  const Outcome bytes = from_bytes(text);
  CHECK(from_pipe(text) == bytes);
  const auto file = std::make_shared<const InputFile>(path);
  fs::remove(path);
  CHECK(outcome_of([&] { return WavReader(file); }) == bytes);
  return bytes;
}

void put(std::string& text, size_t at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) text[at + i] = static_cast<char>(value >> (8 * i));
}

}  // namespace

TEST_CASE("every container and coding gives libsndfile's samples") {
  const io_test::Scratch scratch;
  const fs::path path = scratch / "a.wav";
  int read = 0;
  for (const int container :
       std::initializer_list<int>{SF_FORMAT_WAV, SF_FORMAT_WAVEX, SF_FORMAT_RF64, SF_FORMAT_W64,
                                  SF_FORMAT_WAV | SF_ENDIAN_BIG}) {
    for (const int coding : std::initializer_list<int>{
             SF_FORMAT_PCM_U8, SF_FORMAT_PCM_16, SF_FORMAT_PCM_24, SF_FORMAT_PCM_32,
             SF_FORMAT_FLOAT, SF_FORMAT_DOUBLE, SF_FORMAT_ALAW, SF_FORMAT_ULAW, SF_FORMAT_IMA_ADPCM,
             SF_FORMAT_MS_ADPCM, SF_FORMAT_GSM610}) {
      for (const int channels : {1, 2}) {
        const std::string text = written(path, container | coding, channels);
        if (text.empty()) continue;  // no such pair
        INFO(std::hex << container << " " << coding << std::dec << " " << channels);
        const std::vector<float> wanted = expected(path);
        REQUIRE(wanted.size() >= kFrames);
        const Outcome outcome = same_from_all(text);
        CHECK(outcome.fault.empty());
        CHECK(outcome.notes.empty());
        CHECK(outcome.samples == wanted);
        ++read;
      }
    }
  }
  CHECK(read > 70);
}

TEST_CASE("lengths that were never written mean: to the end") {
  const io_test::Scratch scratch;
  const std::string whole = written(scratch / "a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  const size_t at = whole.find("data") + 4;
  const Outcome good = from_bytes(whole);
  REQUIRE(good.samples.size() == kFrames);
  for (const uint32_t length : {0u, 0x7ffff000u, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xffffffffu,
                                0x7ffff024u, 0xffffff00u}) {
    std::string text = whole;
    put(text, at, length, 4);
    put(text, 4, length, 4);
    INFO(std::hex << length);
    CHECK(same_from_all(text) == good);
  }
  std::string rf64 = written(scratch / "b.wav", SF_FORMAT_RF64 | SF_FORMAT_PCM_16);
  for (const uint64_t length : {uint64_t{0}, ~uint64_t{0}}) {
    put(rf64, rf64.find("ds64") + 16, length, 8);
    CHECK(same_from_all(rf64) == good);
  }
}

TEST_CASE("no samples and another chunk is not a length that was never written") {
  const io_test::Scratch scratch;
  std::string text = written(scratch / "a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  text.resize(text.find("data") + 8);
  put(text, text.size() - 4, 0, 4);
  CHECK(same_from_all(text).fault == "has no samples");
  text += std::string("LIST\4\0\0\0INFO", 12);
  CHECK(same_from_all(text).fault == "has no samples");
}

TEST_CASE("a few missing bytes are forgiven and noted, more are not") {
  const io_test::Scratch scratch;
  const std::string whole = written(scratch / "a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  const std::string few = "WAV: a few bytes shorter than its header says",
                    inside = "WAV: ends inside a sample, which is dropped";
  for (const size_t missing : {1u, 2u, 3u, 44u, 127u, 128u}) {
    INFO(missing);
    const Outcome outcome = same_from_all(whole.substr(0, whole.size() - missing));
    CHECK(outcome.samples.size() == kFrames - (missing + 1) / 2);
    CHECK(outcome.notes == (missing % 2 == 0 ? std::vector<std::string>{few}
                                             : std::vector<std::string>{few, inside}));
  }
  CHECK(same_from_all(whole.substr(0, whole.size() - 129)).fault ==
        "is truncated: its samples take 1600 bytes, 1471 are there");
  std::string odd = whole;
  put(odd, odd.find("data") + 4, 1599, 4);
  const Outcome outcome = same_from_all(odd);
  CHECK(outcome.samples.size() == kFrames - 1);
  CHECK(outcome.notes == std::vector<std::string>{inside});
  CHECK(decode(odd).notes == outcome.notes);
}

TEST_CASE("chunks before and behind the samples are skipped, odd ones with their padding") {
  const io_test::Scratch scratch;
  const std::string whole = written(scratch / "a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  const Outcome good = from_bytes(whole);
  std::string text = whole;
  text.insert(12, std::string("junk\3\0\0\0abc\0LIST\4\0\0\0INFO", 24));
  text.insert(text.find("data"), std::string("bext\1\0\0\0x\0", 10));
  text += std::string("id3 \2\0\0\0ab", 10);
  CHECK(same_from_all(text) == good);
  std::string big = whole;
  std::string chunk("JUNK\0\0\0\0", 8);
  put(chunk, 4, 3 << 20, 4);
  big.insert(12, chunk + std::string(3 << 20, 'x'));  // a picture of 3 MiB
  CHECK(same_from_all(big) == good);
}

TEST_CASE("other sounds are named, and formats that make no sense") {
  const auto fault = [](const std::string& text) { return same_from_all(text).fault; };
  CHECK(fault(std::string("fLaC\0\0\0\"0000", 12)) ==
        "is FLAC, which is not read; convert it to WAV");
  CHECK(fault("OggS00000000000000") == "is Ogg, which is not read; convert it to WAV");
  CHECK(fault(std::string("FORM\0\0\0\4AIFF", 12)) ==
        "is AIFF, which is not read; convert it to WAV");
  CHECK(fault("ID3\3") == "is MP3, which is not read; convert it to WAV");
  CHECK(fault("") == "is empty");
  CHECK(fault("RIFF") == "is no RIFF/WAVE file");
  CHECK(fault("RIFF0000AVI LIST") == "is no RIFF/WAVE file");
  const io_test::Scratch scratch;
  const std::string whole = written(scratch / "a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  const auto with = [&](size_t at, uint64_t value, size_t bytes) {
    std::string text = whole;
    put(text, at, value, bytes);
    return fault(text);
  };
  CHECK(with(22, 0, 2) == "has 0 channels");
  CHECK(with(22, 65, 2) == "has 65 channels");
  CHECK(with(24, 0, 4) == "has a rate of 0 Hz, not within 1000..384000");
  CHECK(with(34, 0, 2).empty());  // the bytes of a frame tell
  CHECK(with(34, 64, 2) == "has samples of 64 bits in 8 bytes, format 1");
  CHECK(with(20, 3, 2) == "has samples of 16 bits in 2 bytes, format 3");
  CHECK(with(16, 4, 4) == "has a format of 4 bytes");
  CHECK_THAT(with(20, 0x55, 2), Catch::StartsWith("is no WAV file libsndfile can read"));
  std::string no_format = whole;
  no_format.replace(12, 4, "xxxx");
  CHECK(fault(no_format) == "has no format before its samples");
  CHECK(fault(whole.substr(0, 40)) == "has no data chunk");
}
