#include "run/inputs.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

#include "core/error.hpp"
#include "core/parallel.hpp"

namespace spikeloom {
namespace {

// Throws for the first sample that is not what it was. A file that cannot be read may be so again.
void load_again(const Dataset& dataset, const std::vector<int64_t>& indices, int threads) {
  std::vector<std::optional<Error>> faults(indices.size());
  parallel_samples(static_cast<int64_t>(indices.size()), threads, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    try {
      dataset.load(indices[at]);
    } catch (const Error& error) {
      if (!dataset.info().separate_files || error.code() != ErrorCode::kData) faults[at] = error;
    } catch (const std::exception& error) {
      faults[at] = Error(ErrorCode::kRuntime, error.what());
    }
  });
  for (const auto& fault : faults) {
    if (fault) throw *fault;
  }
}

}  // namespace

void check_inputs(WatchedDataset& dataset, const RunState& earlier, int threads,
                  const Observer& observer, const CancelToken& cancel) {
  dataset.expect(earlier.inputs);
  const auto count = static_cast<int64_t>(earlier.inputs.size());
  std::vector<int64_t> block(static_cast<size_t>(8 * threads));
  for (int64_t first = 0; first < count; first += static_cast<int64_t>(block.size())) {
    if (cancel.cancelled())
      throw Error(ErrorCode::kInterrupted, "interrupted; nothing was touched");
    block.resize(std::min(block.size(), static_cast<size_t>(count - first)));
    std::iota(block.begin(), block.end(), first);
    load_again(dataset, block, threads);
    observer.report({"checking", first, count, ""});
  }
}

void check_again(const WatchedDataset& dataset, int64_t done, int threads) {
  constexpr int64_t kChecked = 16;
  std::vector<int64_t> indices;
  const int64_t count = std::min(done, kChecked);
  for (int64_t i = 0; i < count; ++i) indices.push_back(i * done / count);
  load_again(dataset, indices, threads);
}

}  // namespace spikeloom
