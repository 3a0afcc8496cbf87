#pragma once
// Streams named outputs of the network to <name>.npy: float32 [samples, steps, C, H, W] for maps,
// [samples, steps, C] for vectors.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/io/npy.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {

class FeatureWriters {
 public:
  // `earlier`: an earlier process left files that resume() will read; they are set aside first.
  // Throws Error(kUsage) for a name that is no feature or stands twice, and for "logits", which is
  // always written.
  FeatureWriters(const Graph& graph, const std::vector<std::string>& names,
                 const std::filesystem::path& dir, int64_t steps, bool earlier);
  void chunk(const Session& session);
  void end_sample();
  // A sample without values: a row of NaN.
  void broken_sample();
  // See NpyWriter.
  void flush();
  void keep_partial();
  // Takes over the rows of the first `rows` samples from what an earlier process left.
  void resume(int64_t rows);
  void finish();

 private:
  struct Feature {
    NodeId node = -1;
    std::filesystem::path path;
    std::filesystem::path earlier;
    int64_t row_size = 0;
    std::unique_ptr<NpyWriter> file;
    std::vector<float> row;  // of the current sample
  };
  std::vector<Feature> features_;
};

}  // namespace spikeloom
