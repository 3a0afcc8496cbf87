#pragma once
// A token model fed token by token, with what it takes to go on later.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/sampling.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {

class TokenStream {
 public:
  // Tokens of a prompt that share one pass over the weights: chunk_steps of the plan.
  static constexpr int64_t kChunk = 16;

  // `state`: file to continue from, "": none; it belongs to the weights of this hash.
  TokenStream(std::shared_ptr<const Plan> plan, int threads, std::filesystem::path state,
              std::string weights_sha256);

  // False when there is no state. Throws Error(kData) for one that does not fit.
  bool resume();
  void push(const std::vector<int32_t>& ids);
  // Runs what is pending and chooses the next token, which is then pending; `never` says by id
  // which are not chosen. Throws Error(kRuntime) when logits or state are not finite.
  int32_t next(const Sampling& sampling, const std::vector<bool>& never);
  // Throws Error(kRuntime) when another process wrote the file since resume(): what it wrote stays.
  void save() const;

  // Chosen or pushed, and not run yet.
  const std::vector<int32_t>& pending() const { return pending_; }
  const RunStatistics& statistics() const { return counter_.statistics(); }
  const Graph& graph() const { return session_.plan().graph; }
  int64_t vocabulary() const;

 private:
  Session session_;
  OpCounter counter_;
  NodeId head_;
  int threads_;
  std::filesystem::path state_;
  std::string weights_sha256_;
  std::string found_;  // SHA-256 of the file continued from; "": there was none
  std::vector<int32_t> pending_;
};

}  // namespace spikeloom
