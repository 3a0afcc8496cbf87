#include "datasets/audio/wav.hpp"

#include <samplerate.h>
#include <sndfile.h>
#include <unistd.h>
#include <system_error>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "datasets/audio/wav_head.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMinRate = 1000, kMaxRate = 384000, kMaxChannels = 64;
// 60 s of the richest format, with room for other chunks.
constexpr int64_t kMaxClipBytes = int64_t{1} << 30;
// A file that ends so many bytes early lost no sound worth the name; writers miscount by a byte or
// by their header.
constexpr uint64_t kForgivenBytes = 128;
// Frames of samples that end nobody knows where.
constexpr sf_count_t kEndless = sf_count_t{1} << 60;

constexpr const char* kShort = "WAV: a few bytes shorter than its header says";
constexpr const char* kCut = "WAV: ends inside a sample, which is dropped";

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ErrorCode::kData, reason);
}

[[noreturn]] void fail_truncated(uint64_t promised, uint64_t there) {
  fail("is truncated: its samples take " + std::to_string(promised) + " bytes, " +
       std::to_string(there) + " are there");
}

ByteSource source_of(std::span<const std::byte> bytes) {
  return [left = bytes](std::span<std::byte> to) mutable {
    const size_t count = std::min(to.size(), left.size());
    std::copy_n(left.begin(), count, to.begin());
    left = left.subspan(count);
    return count;
  };
}

ByteSource source_of(std::shared_ptr<const InputFile> file) {
  return [file, at = uint64_t{0}](std::span<std::byte> to) mutable {
    const auto count = static_cast<size_t>(std::min<uint64_t>(to.size(), file->size() - at));
    file->read_at(at, to.first(count));
    at += count;
    return count;
  };
}

ByteSource standard_input_source(std::string first) {
  return [first, at = size_t{0}](std::span<std::byte> to) mutable {
    size_t done = std::min(to.size(), first.size() - at);
    std::transform(first.begin() + static_cast<std::ptrdiff_t>(at),
                   first.begin() + static_cast<std::ptrdiff_t>(at + done), to.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    at += done;
    while (done < to.size()) {
      const ssize_t got = ::read(STDIN_FILENO, to.data() + done, to.size() - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail("cannot be read: " + std::generic_category().message(errno));
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  };
}

}  // namespace

struct WavReader::State {
  ByteSource source;
  std::optional<uint64_t> size;  // of the whole file; none: a stream
  WavHead head;
  uint64_t at = 0;               // bytes of the samples that were handed out
  std::vector<std::byte> whole;  // of codings in blocks
  SF_INFO info{};
  SNDFILE* file = nullptr;
  SRC_STATE* resampler = nullptr;  // at other rates
  bool ended = false;
  int64_t samples_read = 0;
  std::vector<float> interleaved, channel;
  std::vector<std::string> notes;

  ~State() {
    if (file != nullptr) sf_close(file);
    if (resampler != nullptr) src_delete(resampler);
  }

  // The next bytes of the samples; fewer only at their end.
  size_t next(std::span<std::byte> to) {
    if (head.data_bytes) to = to.first(std::min<uint64_t>(to.size(), *head.data_bytes - at));
    const size_t kept = std::min(head.pending, to.size());
    std::copy_n(head.kept.end() - static_cast<std::ptrdiff_t>(head.pending), kept, to.begin());
    head.pending -= kept;
    const size_t count = kept + (kept < to.size() ? source(to.subspan(kept)) : 0);
    at += count;
    return count;
  }
};

namespace {

// Samples as libsndfile asks for them: in order, from where the head ends.
template <typename State>
SF_VIRTUAL_IO raw_io() {
  return {
      [](void*) { return kEndless; }, [](sf_count_t, int, void*) { return sf_count_t{0}; },
      [](void* to, sf_count_t count, void* user) {
        return static_cast<sf_count_t>(static_cast<State*>(user)->next(
            {static_cast<std::byte*>(to), static_cast<size_t>(std::max<sf_count_t>(count, 0))}));
      },
      [](const void*, sf_count_t, void*) { return sf_count_t{0}; },
      [](void*) { return sf_count_t{0}; }};
}

// The whole file, for codings in blocks; here `at` is a place in it.
template <typename State>
SF_VIRTUAL_IO whole_io() {
  return {
      [](void* user) { return static_cast<sf_count_t>(static_cast<State*>(user)->whole.size()); },
      [](sf_count_t offset, int whence, void* user) {
        auto& state = *static_cast<State*>(user);
        const auto size = static_cast<sf_count_t>(state.whole.size());
        const sf_count_t base = whence == SEEK_SET   ? 0
                                : whence == SEEK_CUR ? static_cast<sf_count_t>(state.at)
                                                     : size;
        const sf_count_t to = std::clamp<sf_count_t>(offset, -base, size - base) + base;
        state.at = static_cast<uint64_t>(to);
        return to;
      },
      [](void* to, sf_count_t count, void* user) {
        auto& state = *static_cast<State*>(user);
        const auto left = static_cast<sf_count_t>(state.whole.size() - state.at);
        const sf_count_t given = std::clamp<sf_count_t>(left, 0, count);
        std::memcpy(to, state.whole.data() + state.at, static_cast<size_t>(given));
        state.at += static_cast<uint64_t>(given);
        return given;
      },
      [](const void*, sf_count_t, void*) { return sf_count_t{0}; },
      [](void* user) { return static_cast<sf_count_t>(static_cast<State*>(user)->at); }};
}

// The rest of the source behind what the head took, into `whole`.
template <typename State>
void read_whole(State& s) {
  if (!s.head.all_kept) fail("has too much before its samples for its coding");
  s.whole = std::move(s.head.kept);
  std::vector<std::byte> block(size_t{1} << 16);
  for (size_t got = block.size(); got == block.size();) {
    got = s.source(block);
    if (static_cast<int64_t>(s.whole.size() + got) > kMaxClipBytes) fail("is too long");
    s.whole.insert(s.whole.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(got));
  }
  s.size = s.whole.size();
}

}  // namespace

WavReader::WavReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
WavReader::WavReader(WavReader&&) noexcept = default;
WavReader::~WavReader() = default;

WavReader::WavReader(std::span<const std::byte> bytes) : state_(std::make_unique<State>()) {
  state_->source = source_of(bytes);
  state_->size = bytes.size();
  open();
}

WavReader::WavReader(std::shared_ptr<const InputFile> file) : state_(std::make_unique<State>()) {
  state_->size = file->size();
  state_->source = source_of(std::move(file));
  open();
}

WavReader WavReader::standard_input(std::string first) {
  WavReader reader(std::make_unique<State>());
  reader.state_->source = standard_input_source(std::move(first));
  reader.open();
  return reader;
}

void WavReader::open() {
  State& s = *state_;
  s.head = read_wav_head(s.source);
  const WavHead& head = s.head;
  if (head.rate < kMinRate || head.rate > kMaxRate) {
    fail("has a rate of " + std::to_string(head.rate) + " Hz, not within " +
         std::to_string(kMinRate) + ".." + std::to_string(kMaxRate));
  }
  if (head.channels < 1 || head.channels > kMaxChannels)
    fail("has " + std::to_string(head.channels) + " channels");
  s.info.samplerate = static_cast<int>(head.rate);
  s.info.channels = static_cast<int>(head.channels);
  s.info.format = head.raw_format;
  SF_VIRTUAL_IO io = raw_io<State>();
  if (head.raw_format == 0) {
    read_whole(s);
    s.info = {};
    io = whole_io<State>();
  }
  if (s.size) check_length();
  s.file = sf_open_virtual(&io, SFM_READ, &s.info, &s);
  if (s.file == nullptr) {
    std::string reason = sf_strerror(nullptr);
    while (!reason.empty() && (reason.back() == '.' || reason.back() == '\n')) reason.pop_back();
    fail("is no WAV file libsndfile can read: " + reason);
  }
  if (head.raw_format == 0 && (s.info.samplerate != head.rate || s.info.channels != head.channels))
    fail("has two formats");
  if (frames() <= 0) fail("has no samples");
  if (head.rate == kSampleRate) return;
  int error = 0;
  s.resampler = src_new(SRC_SINC_BEST_QUALITY, 1, &error);
  if (s.resampler == nullptr) throw Error(ErrorCode::kRuntime, src_strerror(error));
}

// Of a file whose size is known.
void WavReader::check_length() const {
  const WavHead& head = state_->head;
  const uint64_t there = *state_->size - std::min(head.data_offset, *state_->size);
  if (head.data_bytes && *head.data_bytes > there + kForgivenBytes)
    fail_truncated(*head.data_bytes, there);
}

// Once the samples have ended.
void WavReader::note_the_end() {
  State& s = *state_;
  if (s.samples_read == 0) fail("has no samples");
  if (s.head.raw_format == 0) return;
  const uint64_t promised = s.head.data_bytes.value_or(s.at);
  if (promised > s.at + kForgivenBytes) fail_truncated(promised, s.at);
  if (promised > s.at) s.notes.push_back(kShort);
  if (s.at % static_cast<uint64_t>(s.head.frame_bytes) != 0) s.notes.push_back(kCut);
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
  if (s.ended) note_the_end();
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
  return state_->head.rate;
}
int64_t WavReader::frames() const noexcept {
  const State& s = *state_;
  if (s.head.raw_format == 0) return s.info.frames;
  uint64_t bytes = s.head.data_bytes.value_or(kEndless);
  if (s.size) bytes = std::min(bytes, *s.size - std::min(s.head.data_offset, *s.size));
  return static_cast<int64_t>(bytes / static_cast<uint64_t>(s.head.frame_bytes));
}
const std::vector<std::string>& WavReader::notes() const noexcept {
  return state_->notes;
}

namespace {

Sound decode(WavReader reader) {
  if (reader.frames() > kMaxClipSeconds * reader.rate()) {
    fail("lasts " + std::to_string(reader.frames() / reader.rate()) + " s, clips last at most " +
         std::to_string(kMaxClipSeconds) + " s");
  }
  Sound sound;
  while (reader.read(kFrameShift, sound.samples)) {
  }
  if (static_cast<int64_t>(sound.samples.size()) < kFrameSamples) {
    fail("has " + std::to_string(sound.samples.size()) + " samples at 16 kHz, a frame takes " +
         std::to_string(kFrameSamples));
  }
  sound.notes = reader.notes();
  return sound;
}

}  // namespace

Sound decode_clip(std::span<const std::byte> bytes) {
  return decode(WavReader(bytes));
}

Sound read_clip(const std::filesystem::path& path) {
  const auto file = std::make_shared<const InputFile>(path);
  try {
    return decode(WavReader(file));
  } catch (const Error& error) {
    // Faults of reading name the file themselves.
    const bool named = std::string_view(error.what()).starts_with(path.string());
    throw named ? error : error.in_file(path);
  }
}

}  // namespace spikeloom
