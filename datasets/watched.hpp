#pragma once
// What a run read, by content, whatever the kind of data set: the SHA-256 of every sample.

#include <array>
#include <mutex>
#include <string>
#include <vector>

#include "core/hash.hpp"
#include "datasets/dataset.hpp"

namespace spikeloom {

// Of frames, their shape, the label and the name; of tokens, these and the one behind them.
Digest digest_of(const Sample& sample);
// Of the digests of a row of samples, as 64 hex digits.
std::string digest_text(const std::vector<Digest>& digests);

// A data set that remembers what every sample was. A sample that is read again (by the dense twin,
// after a calibration, after --resume) has to be what it was. Thread-safe.
class WatchedDataset final : public Dataset {
 public:
  // `dataset` must outlive it.
  explicit WatchedDataset(const Dataset& dataset);

  const DatasetInfo& info() const noexcept override { return dataset_.info(); }
  // As `dataset` does; Error(kUsage) when an unfinished run read something else there,
  // Error(kRuntime) when this one did. A file that cannot be read is content, too.
  Sample load(int64_t index) const override;

  // What an unfinished run read of the first samples.
  void expect(const std::vector<Digest>& earlier);
  // Of the first samples: `count`, or as many as were read.
  std::vector<Digest> digests(int64_t count) const;

 private:
  struct Seen {
    Digest digest{};
    bool known = false;
  };
  void compare(int64_t index, const Digest& digest, const std::string& name) const;

  const Dataset& dataset_;
  mutable std::mutex mutex_;
  mutable std::vector<Seen> seen_;
  int64_t expected_ = 0;
};

}  // namespace spikeloom
