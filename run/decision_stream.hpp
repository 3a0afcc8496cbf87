#pragma once
// A network fed frame by frame, and its decision as it forms: what `spikeloom stream` does with the
// frames it reads.

#include <optional>
#include <string>

#include "run/experiment.hpp"
#include "run/network.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {

// The answer after a step.
struct DecisionStep {
  int64_t step = 0;
  int64_t answer = -1;
  double probability = 0;  // softmax of the running mean
  int64_t same_since = 0;  // the step since which the answer is this one
  double computed_ms = 0;
  bool decided = false;  // the probability is the one that ends the stream
};

class DecisionStream {
 public:
  // `decide`: probability that ends the stream; above 1: none does.
  DecisionStream(const Experiment& experiment, const Network& network, double decide,
                 const CpuOptions& cpu);

  // Feeds a frame of frame_shape(); nothing as long as the network looks ahead. Throws
  // Error(kRuntime) where the values are no numbers.
  std::optional<DecisionStep> feed(const Tensor& frame) { return tick(frame, 0); }
  // Feeds what lies behind the last frame, to be called look_ahead() times.
  std::optional<DecisionStep> drain();

  // [1, channels], of images [1, height, width, channels]
  const Shape& frame_shape() const noexcept { return frame_shape_; }
  int64_t look_ahead() const noexcept { return session_.plan().look_ahead; }
  int64_t frames() const noexcept { return session_.steps_done(); }
  const DecisionStep& last() const noexcept { return last_; }  // answer -1: there was none
  double mean_ms() const { return total_ms_ / static_cast<double>(session_.steps_done()); }
  double worst_ms() const noexcept { return worst_ms_; }

 private:
  std::optional<DecisionStep> tick(const Tensor& frame, int64_t drained);
  Tensor checked_logits() const;

  Session session_;
  NodeId logits_;
  Shape frame_shape_;
  int threads_;
  double decide_;
  DecisionStep last_;
  double total_ms_ = 0, worst_ms_ = 0;
};

}  // namespace spikeloom
