#include "run/token_stream.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/file.hpp"
#include "core/io/safetensors.hpp"
#include "sim/counts/finite_watch.hpp"

namespace spikeloom {
namespace {

constexpr float kNever = -999999999.0f;

// SHA-256 of what a file holds; "": there is none.
std::string content_of(const std::filesystem::path& file) {
  return std::filesystem::exists(file) ? sha256_hex(read_file(file)) : "";
}

}  // namespace

TokenStream::TokenStream(std::shared_ptr<const Plan> plan, int threads, std::filesystem::path state,
                         std::string weights_sha256)
    : session_(std::move(plan)),
      counter_(session_.plan().graph),
      head_(*session_.plan().graph.find_output("logits")),
      threads_(threads),
      state_(std::move(state)),
      weights_sha256_(std::move(weights_sha256)) {
  counter_.begin_sample({});
}

int64_t TokenStream::vocabulary() const {
  return channels_of(session_.plan().graph.node(head_).shape);
}

bool TokenStream::resume() {
  if (state_.empty()) return false;
  found_ = content_of(state_);
  if (found_.empty()) return false;
  const std::string what = state_.string();
  const SafetensorsFile file = read_safetensors(state_);
  const auto of = [&](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  if (of("weights_sha256") != weights_sha256_) {
    throw Error(ErrorCode::kData, what + ": is the state of another network");
  }
  try {
    session_.load(file.weights);
  } catch (const Error& error) {
    throw error.in(what);
  }
  const std::string token = of("pending_token");
  if (token.empty() || token.size() > 8 ||
      token.find_first_not_of("0123456789") != std::string::npos ||
      std::stoll(token) >= vocabulary()) {
    throw Error(ErrorCode::kData, what + ": has no token to go on with");
  }
  pending_ = {static_cast<int32_t>(std::stoll(token))};
  return true;
}

void TokenStream::push(const std::vector<int32_t>& ids) {
  pending_.insert(pending_.end(), ids.begin(), ids.end());
}

int32_t TokenStream::next(const Sampling& sampling, const std::vector<bool>& never) {
  int64_t last = 0;
  for (size_t first = 0; first < pending_.size(); first += kChunk) {
    const auto count = std::min<int64_t>(kChunk, static_cast<int64_t>(pending_.size() - first));
    Tensor tokens({count, 1});
    for (int64_t t = 0; t < count; ++t) {
      tokens.f32()[static_cast<size_t>(t)] =
          static_cast<float>(pending_[first + static_cast<size_t>(t)]);
    }
    session_.run_chunk(tokens, count, threads_);
    SpikeChunk chunk = session_.last_chunk();
    chunk.first_step = 0;  // counts by step would grow with the stream
    counter_.chunk(chunk);
    last = count - 1;
  }
  Tensor logits = session_.value(head_, last);
  const auto values = logits.f32();
  const std::string node = all_finite(values) ? session_.not_finite_state() : "logits";
  if (!node.empty()) {
    throw Error(ErrorCode::kRuntime,
                fmt::format("{} after {} tokens are not finite: there is nothing to choose from",
                            node, session_.steps_done()));
  }
  for (size_t id = 0; id < never.size(); ++id) {
    if (never[id]) values[id] = kNever;
  }
  pending_ = {sample_token(values, sampling, session_.steps_done())};
  return pending_[0];
}

void TokenStream::save() const {
  if (state_.empty() || pending_.size() != 1) return;
  if (content_of(state_) != found_) {
    throw Error(ErrorCode::kRuntime, state_.string() +
                                         ": another process wrote it meanwhile; the state behind "
                                         "this text is not saved");
  }
  save_safetensors(
      state_, session_.save(),
      {{"weights_sha256", weights_sha256_}, {"pending_token", std::to_string(pending_[0])}});
}

}  // namespace spikeloom
