#pragma once
// Token rows cut into windows: each is a sample that a network reads from its initial state.

#include <cstdint>
#include <vector>

#include "datasets/dataset.hpp"
#include "datasets/token_rows.hpp"

namespace spikeloom {

// Samples [tokens, 1] of ids; Sample::targets holds the token behind every one, -1 behind the last
// of a row.
class TokenWindows final : public Dataset {
 public:
  // The wanted windows of rows that were read for them.
  TokenWindows(TokenRows rows, const WantedWindows& wanted);

  const DatasetInfo& info() const noexcept override { return info_; }
  Sample load(int64_t index) const override;

  const TokenRows& rows() const noexcept { return rows_; }
  // Tokens of the windows before `index`.
  int64_t tokens_before(int64_t index) const { return starts_[static_cast<size_t>(index)]; }
  int64_t longest() const;
  // The tokens that the first `count` windows predict.
  std::vector<int32_t> predicted(int64_t count) const;

 private:
  // Inputs [first, end) of a row; every one but the row's last predicts the token behind it.
  struct Window {
    size_t row, first, end;
  };

  TokenRows rows_;
  std::vector<Window> windows_;
  std::vector<int64_t> starts_;  // one more than there are windows
  DatasetInfo info_;
};

}  // namespace spikeloom
