#include "datasets/audio/wav.hpp"

#include <samplerate.h>
#include <sndfile.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "core/io/file.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMinRate = 1000, kMaxRate = 384000, kMaxChannels = 64;
// 60 s of the richest format, with room for other chunks.
constexpr int64_t kMaxClipBytes = int64_t{1} << 30;

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ErrorCode::kData, reason);
}

// Where a reader of bytes stands.
struct Bytes {
  std::span<const std::byte> all;
  sf_count_t at = 0;
};

sf_count_t bytes_length(void* user) {
  return static_cast<sf_count_t>(static_cast<Bytes*>(user)->all.size());
}
sf_count_t bytes_seek(sf_count_t offset, int whence, void* user) {
  auto& bytes = *static_cast<Bytes*>(user);
  const sf_count_t base = whence == SEEK_SET   ? 0
                          : whence == SEEK_CUR ? bytes.at
                                               : bytes_length(user);
  bytes.at = std::clamp<sf_count_t>(base + offset, 0, bytes_length(user));
  return bytes.at;
}
sf_count_t bytes_read(void* to, sf_count_t count, void* user) {
  auto& bytes = *static_cast<Bytes*>(user);
  const sf_count_t given = std::clamp<sf_count_t>(bytes_length(user) - bytes.at, 0, count);
  std::memcpy(to, bytes.all.data() + bytes.at, static_cast<size_t>(given));
  bytes.at += given;
  return given;
}
sf_count_t bytes_write(const void*, sf_count_t, void*) {
  return 0;
}
sf_count_t bytes_tell(void* user) {
  return static_cast<Bytes*>(user)->at;
}

uint32_t u32_at(std::span<const std::byte> bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= std::to_integer<uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

bool tag_at(std::span<const std::byte> bytes, size_t at, const char* tag) {
  return bytes.size() >= at + 4 && std::memcmp(bytes.data() + at, tag, 4) == 0;
}

// libsndfile reads what is there of a shorter file without a word.
void refuse_truncated(std::span<const std::byte> bytes) {
  if (bytes.empty()) fail("is empty");
  if (!tag_at(bytes, 0, "RIFF") || !tag_at(bytes, 8, "WAVE")) fail("is no RIFF/WAVE file");
  size_t at = 12;
  while (at + 8 <= bytes.size()) {
    const size_t length = u32_at(bytes, at + 4), left = bytes.size() - at - 8;
    if (tag_at(bytes, at, "data")) {
      if (length > left && length != 0xFFFFFFFFu) {
        fail("is truncated: its samples take " + std::to_string(length) + " bytes, " +
             std::to_string(left) + " are there");
      }
      return;
    }
    at += 8 + std::min(left, length + length % 2);
  }
  fail("has no data chunk");
}

}  // namespace

struct WavReader::State {
  Bytes bytes;
  bool is_stream = false;
  SF_INFO info{};
  SNDFILE* file = nullptr;
  SRC_STATE* resampler = nullptr;  // at other rates
  bool ended = false;
  int64_t samples_read = 0;
  std::vector<float> interleaved, channel;

  ~State() {
    if (file != nullptr) sf_close(file);
    if (resampler != nullptr) src_delete(resampler);
  }
};

WavReader::WavReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
WavReader::WavReader(WavReader&&) noexcept = default;
WavReader::~WavReader() = default;

WavReader::WavReader(std::span<const std::byte> bytes) : state_(std::make_unique<State>()) {
  refuse_truncated(bytes);
  state_->bytes = {bytes, 0};
  SF_VIRTUAL_IO io{bytes_length, bytes_seek, bytes_read, bytes_write, bytes_tell};
  state_->file = sf_open_virtual(&io, SFM_READ, &state_->info, &state_->bytes);
  open();
}

WavReader WavReader::standard_input() {
  WavReader reader(std::make_unique<State>());
  reader.state_->is_stream = true;
  reader.state_->file = sf_open_fd(STDIN_FILENO, SFM_READ, &reader.state_->info, 0);
  reader.open();
  return reader;
}

void WavReader::open() {
  State& s = *state_;
  if (s.file == nullptr) {
    std::string reason = sf_strerror(nullptr);
    while (!reason.empty() && (reason.back() == '.' || reason.back() == '\n')) reason.pop_back();
    fail("is no WAV file libsndfile can read: " + reason);
  }
  const int major = s.info.format & SF_FORMAT_TYPEMASK;
  if (major != SF_FORMAT_WAV && major != SF_FORMAT_WAVEX) fail("is no RIFF/WAVE file");
  if (s.info.samplerate < kMinRate || s.info.samplerate > kMaxRate) {
    fail("has a rate of " + std::to_string(s.info.samplerate) + " Hz, not within " +
         std::to_string(kMinRate) + ".." + std::to_string(kMaxRate));
  }
  if (s.info.channels < 1 || s.info.channels > kMaxChannels)
    fail("has " + std::to_string(s.info.channels) + " channels");
  if (!s.is_stream && s.info.frames <= 0) fail("has no samples");
  if (s.info.samplerate == kSampleRate) return;
  int error = 0;
  s.resampler = src_new(SRC_SINC_BEST_QUALITY, 1, &error);
  if (s.resampler == nullptr) throw Error(ErrorCode::kRuntime, src_strerror(error));
}

bool WavReader::read(int64_t frames, std::vector<float>& samples) {
  State& s = *state_;
  if (s.ended) return false;
  const auto channels = static_cast<size_t>(s.info.channels);
  s.interleaved.resize(static_cast<size_t>(frames) * channels);
  const sf_count_t count = sf_readf_float(s.file, s.interleaved.data(), frames);
  s.ended = count < frames;
  s.channel.clear();
  for (size_t i = 0; i < static_cast<size_t>(std::max<sf_count_t>(count, 0)); ++i) {
    const float sample = s.interleaved[i * channels];
    if (!std::isfinite(sample)) {
      fail("sample " + std::to_string(s.samples_read + static_cast<int64_t>(i)) + " is not finite");
    }
    s.channel.push_back(sample);
  }
  s.samples_read += static_cast<int64_t>(s.channel.size());
  if (s.ended && s.samples_read == 0) fail("has no samples");
  if (s.resampler == nullptr) {
    samples.insert(samples.end(), s.channel.begin(), s.channel.end());
    return !s.channel.empty();
  }
  SRC_DATA data{};
  data.src_ratio = static_cast<double>(kSampleRate) / s.info.samplerate;
  data.data_in = s.channel.data();
  data.input_frames = static_cast<long>(s.channel.size());
  data.end_of_input = s.ended;
  std::vector<float> block(4096);
  do {
    data.data_out = block.data();
    data.output_frames = static_cast<long>(block.size());
    if (const int error = src_process(s.resampler, &data); error != 0)
      throw Error(ErrorCode::kRuntime, src_strerror(error));
    samples.insert(samples.end(), block.begin(), block.begin() + data.output_frames_gen);
    data.data_in += data.input_frames_used;
    data.input_frames -= data.input_frames_used;
  } while (data.output_frames_gen > 0);
  return true;
}

int64_t WavReader::rate() const noexcept {
  return state_->info.samplerate;
}
int64_t WavReader::frames() const noexcept {
  return state_->info.frames;
}

std::vector<float> decode_clip(std::span<const std::byte> bytes) {
  WavReader reader(bytes);
  if (reader.frames() > kMaxClipSeconds * reader.rate()) {
    fail("lasts " + std::to_string(reader.frames() / reader.rate()) + " s, clips last at most " +
         std::to_string(kMaxClipSeconds) + " s");
  }
  std::vector<float> samples;
  while (reader.read(kFrameShift, samples)) {
  }
  if (static_cast<int64_t>(samples.size()) < kFrameSamples) {
    fail("has " + std::to_string(samples.size()) + " samples at 16 kHz, a frame takes " +
         std::to_string(kFrameSamples));
  }
  return samples;
}

std::vector<float> read_clip(const std::filesystem::path& path) {
  const auto bytes = read_file(path, kMaxClipBytes);
  try {
    return decode_clip(bytes);
  } catch (const Error& error) {
    throw error.in(path.string());
  }
}

}  // namespace spikeloom
