#pragma once
// Executes the windows of a token experiment: trace, logits, counts and surprise in their order,
// however many run side by side; can continue where an earlier process stopped.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/checkpoint.hpp"
#include "cli/feature_writers.hpp"
#include "cli/token_experiment.hpp"
#include "core/io/npy.hpp"
#include "datasets/token_rows.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/recorder.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {

constexpr int64_t kTokenChunk = 32;  // tokens that share one pass over the weights

// Inputs [first, end) of a row from the initial state; every input but the row's last predicts the
// token behind it.
struct TokenWindow {
  const std::vector<int32_t>* row;
  size_t first, end;

  int64_t tokens() const noexcept { return static_cast<int64_t>(end - first); }
  size_t predictions() const noexcept { return end - first - (end == row->size() ? 1 : 0); }
};

// The wanted windows of rows that were read for them.
std::vector<TokenWindow> windows_of(const TokenRows& data, const WantedWindows& wanted);
// Tokens of the first `count` windows.
int64_t tokens_in(const std::vector<TokenWindow>& windows, int64_t count);

// Of the tokens of a window and the one that its last predicts.
Digest digest_of(const TokenWindow& window);
// Throws Error(kUsage) naming the first window that is not what an unfinished run read.
void check_inputs(const std::vector<TokenWindow>& windows, const std::vector<Digest>& earlier);

struct TokenSetup {
  const TokenExperiment& experiment;
  std::vector<TokenWindow> windows;
  std::string config_json, weights_sha256;
  RunIdentity identity;
  bool quiet = false;
  bool keeps = true;  // trace, arrays and checkpoints; a dense twin leaves nothing but its state
  const FolderLock* folder = nullptr;  // of the outputs
};

class TokenRun {
 public:
  // `state` says what an earlier process did (nothing: done is 0) and is kept up to date.
  TokenRun(const TokenSetup& setup, const Graph& graph, Weights weights, RunState& state);

  // Every window that is left, until Ctrl-C, at least one; then gives the files their names, arrays
  // the extents `leading` in front of a token's when all are done.
  void run(const Shape& leading);
  // Layers whose weights are rounded, by run.precision.
  const std::vector<QuantizedLayer>& quantized() const noexcept { return quantized_; }

 private:
  // What a window gave, until those before it have been handed on.
  struct Kept {
    std::vector<std::vector<uint64_t>> bits;       // by population, all steps
    std::vector<std::optional<double>> surprises;  // nothing: logits that are no numbers
    std::vector<std::vector<float>> arrays;        // by array
    bool executed = false;
  };

  // A row for every token.
  struct Array {
    WatchedArray watched;
    ClaimedFile earlier;
    std::unique_ptr<NpyWriter> file;
  };

  void resume();
  void run_alone(const TokenWindow& window);
  void run_side_by_side(int64_t count);
  Kept room_for(const TokenWindow& window) const;
  void run_kept(Session& session, const TokenWindow& window, Kept& kept) const;
  void hand_on(const TokenWindow& window, const Kept& kept);
  void count_prediction(std::optional<double> nats);
  void begin_window();
  void end_window(const TokenWindow& window);
  void collect();
  void checkpoint();
  int64_t side_by_side() const;
  void open_arrays(bool again);
  std::vector<TraceSink*> sinks();

  const TokenSetup& setup_;
  const TokenExperiment& experiment_;
  RunState& state_;
  const double earlier_seconds_ = state_.seconds;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const Graph& graph_;
  ClaimedFile earlier_trace_;
  std::vector<std::unique_ptr<Session>> sessions_;
  NodeId head_;
  int64_t vocabulary_;
  OpCounter counter_;
  Signature signature_;
  std::optional<Recorder> recorder_;
  std::vector<Array> arrays_;
  int64_t tokens_ = 0;  // of the windows that ended
  CheckpointPace pace_;
  std::vector<QuantizedLayer> quantized_;
};

}  // namespace spikeloom
