#include "datasets/watched.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Ids, what follows the last of them, how many there are.
Digest digest_of_tokens(const Sample& sample) {
  std::vector<int32_t> tokens;
  for (const float id : sample.frames.f32()) tokens.push_back(static_cast<int32_t>(id));
  if (sample.targets.back() >= 0) tokens.push_back(sample.targets.back());
  tokens.push_back(static_cast<int32_t>(sample.targets.size()));
  return sha256(std::as_bytes(std::span(tokens)));
}

}  // namespace

Digest digest_of(const Sample& sample) {
  if (!sample.targets.empty()) return digest_of_tokens(sample);
  const Tensor& frames = sample.frames;
  const Digest content = sha256({frames.data(), static_cast<size_t>(frames.bytes())});
  return sha256(bytes_of("sample " + to_string(frames.shape()) + " " +
                         std::to_string(sample.label) + " " + hex(content) + " " + sample.name));
}

std::string digest_text(const std::vector<Digest>& digests) {
  return hex(sha256(std::as_bytes(std::span(digests))));
}

WatchedDataset::WatchedDataset(const Dataset& dataset)
    : dataset_(dataset), seen_(static_cast<size_t>(dataset.info().size)) {}

Sample WatchedDataset::load(int64_t index) const {
  try {
    Sample sample = dataset_.load(index);
    compare(index, digest_of(sample), sample.name);
    return sample;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kData && info().separate_files)
      compare(index, sha256(bytes_of("unreadable")), "");
    throw;
  }
}

void WatchedDataset::compare(int64_t index, const Digest& digest, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[static_cast<size_t>(index)];
  if (!seen.known) {
    seen = {digest, true};
    return;
  }
  if (seen.digest == digest) return;
  const std::string sample = std::string("dataset.path: ") + info().unit + " " +
                             std::to_string(index) + (name.empty() ? "" : " (" + name + ")");
  if (index < expected_) {
    throw Error(
        ErrorCode::kUsage,
        sample + " is not what the unfinished run read; run without --resume to start over");
  }
  throw Error(ErrorCode::kRuntime, sample + " changed while the run went on");
}

void WatchedDataset::expect(const std::vector<Digest>& earlier) {
  const std::lock_guard lock(mutex_);
  const size_t count = std::min(earlier.size(), seen_.size());
  for (size_t i = 0; i < count; ++i) seen_[i] = {earlier[i], true};
  expected_ = static_cast<int64_t>(count);
}

std::vector<Digest> WatchedDataset::digests(int64_t count) const {
  const std::lock_guard lock(mutex_);
  std::vector<Digest> result;
  for (size_t i = 0; i < seen_.size() && static_cast<int64_t>(i) < count && seen_[i].known; ++i)
    result.push_back(seen_[i].digest);
  return result;
}

}  // namespace spikeloom
