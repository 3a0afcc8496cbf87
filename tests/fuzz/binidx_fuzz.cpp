// Megatron token files: the first byte is the size of the tokens, which follow; the rest is the
// index.

#include <algorithm>

#include "datasets/binidx.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto rest = fuzz::bytes(data + 1, size - 1);
  const auto tokens = rest.first(std::min<size_t>(data[0], rest.size()));
  return fuzz::errors_only([&] {
    const TokenRows rows = parse_binidx(rest.subspan(tokens.size()), "t.idx", tokens, "t.bin", 300);
    size_t count = 0;
    for (const auto& row : rows.rows) {
      if (row.empty()) std::abort();
      for (const int32_t id : row) {
        if (id < 0 || id >= 300) std::abort();
      }
      count += row.size();
    }
    if (count > tokens.size()) std::abort();
  });
}
